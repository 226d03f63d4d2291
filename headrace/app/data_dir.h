// Where `headrace up`, `run` and `lineage` keep state: one folder, its layout, and the lock that keeps it to one
// server.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "headrace/base/status.h"

namespace headrace::app {

// The layout below the folder that --data-dir names.
struct DataDir {
  std::filesystem::path root;

  std::filesystem::path database() const { return root / "headrace.db"; }
  std::filesystem::path models() const { return root / "models"; }        // <model>/<version>/
  std::filesystem::path artifacts() const { return root / "artifacts"; }  // <pipeline>/<run>/<task>/<uuid>/<output>
  std::filesystem::path logs() const { return root / "logs"; }            // <run>/<task>.log
  std::filesystem::path environments() const { return root / "environments"; }  // Python environments by key
};

// HEADRACE_DATA_DIR, else $XDG_DATA_HOME/headrace, else ~/.local/share/headrace: the default of --data-dir.
std::string DefaultDataDir();
// The folder as an absolute path, made with its subfolders when missing. kPermissionDenied and so on name the folder.
Result<DataDir> OpenDataDir(const std::string& path);

// Held by the one process that runs pipelines on a data folder. Released when destroyed or when the process dies.
class DataDirLock {
 public:
  ~DataDirLock();
  DataDirLock(const DataDirLock&) = delete;
  DataDirLock& operator=(const DataDirLock&) = delete;
  // kFailedPrecondition, with the holder's process id, when another process has it.
  static Result<std::unique_ptr<DataDirLock>> Acquire(const DataDir& data_dir);

 private:
  explicit DataDirLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace headrace::app
