#include "headrace/backends/process/log_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

namespace headrace::process {
namespace {

constexpr size_t kMaxLastLine = 500;

// Brackets and dashes, a line that goes on with the one before, and what KFP's executor says of itself.
bool SaysNothing(std::string_view text) {
  if (text.empty() || text[0] == ' ' || text[0] == '\t' || text.starts_with("[KFP Executor ")) return true;
  return std::ranges::none_of(text, [](unsigned char c) { return std::isalnum(c) != 0 || c >= 0x80; });
}

}  // namespace

Result<std::unique_ptr<LogWriter>> LogWriter::Open(const std::filesystem::path& file, size_t max_bytes,
                                                   const Clock* clock) {
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return std::unexpected(ErrnoStatus(errno, file.string()));
  struct stat info{};
  const size_t size = ::fstat(fd, &info) == 0 ? static_cast<size_t>(info.st_size) : 0;
  return std::unique_ptr<LogWriter>(new LogWriter(fd, max_bytes, size, clock));
}

LogWriter::~LogWriter() {
  if (!at_line_start_) Append("\n");
  ::close(fd_);
}

void LogWriter::Append(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;  // a full disk must not stop the task
    size_ += static_cast<size_t>(written);
    text.remove_prefix(static_cast<size_t>(written));
  }
}

void LogWriter::Write(std::string_view bytes) {
  const std::string stamp = FormatTime(clock_->Now()) + " ";
  std::string out;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (at_line_start_) out += stamp;
    out += part;
    if (line_.size() < kMaxLastLine) line_ += part.substr(0, kMaxLastLine - line_.size());
    at_line_start_ = end != std::string_view::npos;
    if (!at_line_start_) break;
    out += '\n';
    if (!SaysNothing(line_)) last_ = line_;
    line_.clear();
    bytes.remove_prefix(end + 1);
  }
  if (full_) return;
  if (size_ + out.size() > max_bytes_) {
    full_ = true;
    out = fmt::format("\n{}[the log is longer than {} bytes; the rest is left out]\n", stamp, max_bytes_);
  }
  Append(out);
}

void LogWriter::Line(std::string_view line) {
  const std::string kept = last_line();
  if (!at_line_start_) Write("\n");
  Write(std::string(line) + "\n");
  last_ = kept;
}

void LogWriter::ForgetLastLine() {
  last_.clear();
  line_.clear();
}

std::string LogWriter::last_line() const { return SaysNothing(line_) ? last_ : line_; }

}  // namespace headrace::process
