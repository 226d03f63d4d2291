// A task's log file: what the task writes, each line with the time at which it began.
#pragma once
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"

namespace headrace::process {

// Not thread-safe. Writes go to the operating system at once, so that a reader follows and a crash loses nothing.
class LogWriter {
 public:
  // Appends to `file`, whose folder is made when missing. After `max_bytes` a last line says that the rest is left out.
  static Result<std::unique_ptr<LogWriter>> Open(const std::filesystem::path& file, size_t max_bytes,
                                                 const Clock* clock);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  void Write(std::string_view bytes);
  // One line of our own.
  void Line(std::string_view line);
  // The last line that says something (not blank, not indented, not only brackets), without its time: why a task
  // failed, as a rule. At most 500 bytes.
  std::string last_line() const;
  // What was written so far is not of the task itself.
  void ForgetLastLine();

 private:
  LogWriter(int fd, size_t max_bytes, size_t size, const Clock* clock)
      : fd_(fd), max_bytes_(max_bytes), size_(size), clock_(clock) {}
  void Append(std::string_view text);

  const int fd_;
  const size_t max_bytes_;
  size_t size_;
  const Clock* const clock_;
  bool full_ = false;
  bool at_line_start_ = true;
  std::string line_;  // the current one, as far as last_line needs it
  std::string last_;
};

}  // namespace headrace::process
