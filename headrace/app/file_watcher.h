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

// Reads files again every so often; one whose text is not the one applied last is applied. What cannot be applied is
// logged when it fails otherwise than before, and tried again, ever more rarely, since what hinders it may lie
// elsewhere.
class FileWatcher {
 public:
  using Apply = std::function<Status(const std::string& text)>;

  static constexpr std::chrono::hours kNever{24 * 3650};  // an interval for what LookNow alone looks at

  FileWatcher() = default;
  // Stops, waiting for an application under way.
  ~FileWatcher();
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;

  // Before Start. `applied`: the file's text that is in force.
  void Add(std::string path, Duration interval, Apply apply, std::string applied);
  // Does nothing when nothing was added.
  void Start();
  // Looks at all files soon, without waiting for their times. Thread-safe.
  void LookNow();

 private:
  struct File {
    std::string path;
    Duration interval;
    Apply apply;
    std::string applied;
    Deadline next;
    std::string failed = {};  // a text that could not be applied, why, how often, and not to be tried before
    std::string error = {};
    int failures = 0;
    Deadline retry{};
  };
  void Run();
  static void Look(File* file);

  std::vector<File> files_;
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  bool look_now_ HR_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace headrace::app
