// Configuration files that change while the program runs.
#pragma once
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/mutex.h"
#include "headrace/base/status.h"

namespace headrace::app {

// Reads files again every so often; of one whose text has changed it tells. A text that cannot be applied is logged,
// and tried again only once it has changed once more.
class FileWatcher {
 public:
  using Apply = std::function<Status(const std::string& text)>;

  FileWatcher() = default;
  // Stops, waiting for an application under way.
  ~FileWatcher();
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;

  // Before Start: the text of now counts as applied.
  void Add(std::string path, Duration interval, Apply apply);
  // Does nothing when nothing was added.
  void Start();

 private:
  struct File {
    std::string path;
    Duration interval;
    Apply apply;
    std::string applied;
    Deadline next;
  };
  void Run();
  static void Look(File* file);

  std::vector<File> files_;
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace headrace::app
