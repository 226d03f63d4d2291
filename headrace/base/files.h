// Files that survive kill -9: whatever a function here reports as written is on disk under its final name, whole.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "headrace/base/status.h"

namespace headrace {

Result<std::string> ReadFile(const std::filesystem::path& path);
// Writes aside in the same folder, fsyncs, renames over `path`, fsyncs the folder. Creates missing folders.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view content);
// Makes `source` (a file or a folder tree) durable and renames it to `target`, which must not exist (kAlreadyExists);
// both on one file system. After a crash `target` is there whole or not at all.
Status PublishByRename(const std::filesystem::path& source, const std::filesystem::path& target);
// fsync of a file, or of a folder tree with all that is in it.
Status SyncTree(const std::filesystem::path& path);

// Lower-case hex SHA-256.
std::string Sha256(std::string_view bytes);
// Of a file's bytes; of a folder: over the sorted relative paths and their files' digests, so that equal trees have
// equal digests wherever they lie.
Result<std::string> Sha256OfTree(const std::filesystem::path& path);

// 128 random bits as a UUID version 4: "6f1b6a3e-…".
std::string NewUuid();

// A fresh folder that is removed with its content on destruction.
class TempDir {
 public:
  // Under `parent`, or the system's folder for temporary files when empty. Aborts when it cannot be made.
  explicit TempDir(const std::filesystem::path& parent = {});
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace headrace
