#include "headrace/net/access_log.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>

#include "headrace/base/json.h"
#include "headrace/base/log.h"

namespace headrace::net {
namespace {

int OpenForAppend(const std::string& path) {
  if (path == "-") return STDERR_FILENO;
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

void WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

json::object ToObject(const AccessRecord& record) {
  json::object line{{"time", FormatTime(std::chrono::system_clock::now())}, {"protocol", record.protocol}};
  if (!record.method.empty()) line["method"] = record.method;
  line["target"] = record.target;
  line["status"] = record.status;
  line["request_bytes"] = record.request_bytes;
  line["response_bytes"] = record.response_bytes;
  line["duration_us"] = std::chrono::duration_cast<std::chrono::microseconds>(record.duration).count();
  line["peer"] = record.peer;
  const std::string_view client = record.client.empty() ? record.client_subject : record.client;
  if (!client.empty()) line["client"] = client;
  line["trace_id"] = record.trace.trace_id;
  line["span_id"] = record.trace.span_id;
  if (record.parent) line["parent_span_id"] = record.parent->span_id;
  return line;
}

}  // namespace

Result<std::unique_ptr<AccessLog>> AccessLog::Open(const std::string& path, size_t max_pending_bytes) {
  const int fd = OpenForAppend(path);
  if (fd < 0) return std::unexpected(ErrnoStatus(errno, "access log " + path));
  return std::unique_ptr<AccessLog>(new AccessLog(path, fd, max_pending_bytes));
}

AccessLog::AccessLog(std::string path, int fd, size_t max_pending_bytes)
    : path_(std::move(path)), max_pending_bytes_(max_pending_bytes), fd_(fd), thread_([this] { Run(); }) {}

AccessLog::~AccessLog() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  thread_.join();
  if (path_ != "-") ::close(fd_);
}

void AccessLog::Record(const AccessRecord& record) {
  std::string line = ToJson(ToObject(record));
  line += '\n';
  bool first = false;
  {
    MutexLock lock(mutex_);
    if (pending_.size() + line.size() > max_pending_bytes_) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    first = pending_.empty();
    pending_ += line;
  }
  if (first) changed_.NotifyOne();
}

void AccessLog::Reopen() {
  {
    MutexLock lock(mutex_);
    reopen_ = true;
  }
  changed_.NotifyOne();
}

void AccessLog::Run() {
  pthread_setname_np(pthread_self(), "access-log");
  std::string lines;
  for (;;) {
    bool reopen = false, stopping = false;
    {
      MutexLock lock(mutex_);
      while (pending_.empty() && !reopen_ && !stopping_) changed_.Wait(mutex_);
      lines.clear();
      lines.swap(pending_);
      reopen = std::exchange(reopen_, false);
      stopping = stopping_;
    }
    WriteAll(fd_, lines);
    if (reopen && path_ != "-") {
      const int fd = OpenForAppend(path_);
      if (fd < 0) {
        HR_LOG(warn, "{}; going on with the file that was open", ErrnoStatus(errno, "access log " + path_).message());
      } else {
        ::close(std::exchange(fd_, fd));
      }
    }
    if (stopping && lines.empty()) return;
  }
}

}  // namespace headrace::net
