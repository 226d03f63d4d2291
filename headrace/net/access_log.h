// One line of JSON for each request that was answered.
#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "headrace/base/clock.h"
#include "headrace/base/mutex.h"
#include "headrace/base/status.h"
#include "headrace/net/trace_context.h"

namespace headrace::net {

struct AccessRecord {
  std::string_view protocol;  // "http", "grpc"
  std::string_view method;    // "POST"; empty for gRPC
  std::string_view target;    // path and query; gRPC's method
  int status = 0;             // HTTP's, or gRPC's code
  size_t request_bytes = 0;   // of the body or the message
  size_t response_bytes = 0;
  Duration duration{};  // from the whole request to the last byte written
  std::string_view peer;
  std::string_view client;          // the name of an authorised client; empty: not known
  std::string_view client_subject;  // of a verified client certificate, which stands for the name where there is none
  std::optional<TraceContext> parent;
  TraceContext trace;  // with this server's span
};

// Thread-safe. Record never waits for the disk: a thread of its own writes, and lines beyond the bound are dropped and
// counted.
class AccessLog {
 public:
  // Appends to `path`, which is made when missing; "-" is standard error.
  static Result<std::unique_ptr<AccessLog>> Open(const std::string& path, size_t max_pending_bytes = 8 << 20);
  // Writes what is pending.
  ~AccessLog();
  void Record(const AccessRecord& record);
  // Opens the path again, for whoever rotates it by renaming.
  void Reopen();
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  AccessLog(std::string path, int fd, size_t max_pending_bytes);
  void Run();

  const std::string path_;
  const size_t max_pending_bytes_;
  std::atomic<uint64_t> dropped_{0};
  Mutex mutex_;
  CondVar changed_;
  std::string pending_ HR_GUARDED_BY(mutex_);
  bool reopen_ HR_GUARDED_BY(mutex_) = false;
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  int fd_;  // the writing thread's
  std::thread thread_;
};

}  // namespace headrace::net
