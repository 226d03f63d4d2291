// One loop of an HttpServer: its thread's connections, their time limits, the draining.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "headrace/net/event_loop.h"
#include "headrace/net/http_server.h"
#include "headrace/net/transport.h"

namespace headrace::net {

class HttpConnection;

// Shared by all loops of a server.
struct HttpShared {
  HttpServerOptions options;
  HttpHandler* handler = nullptr;
  std::atomic<size_t> connections{0};
  std::atomic<std::shared_ptr<TlsContext>> tls;
};

class HttpLoop : public std::enable_shared_from_this<HttpLoop>, private EventLoop::Listener {
 public:
  // Open, Start, and Join from the server; made as a shared_ptr, which its connections hold too.
  explicit HttpLoop(std::shared_ptr<HttpShared> shared) : shared_(std::move(shared)) {}
  HttpLoop(const HttpLoop&) = delete;
  HttpLoop& operator=(const HttpLoop&) = delete;

  Status Open() { return loop_.Open(); }
  void Start();
  // Runs `work` on the loop's thread; false, and `work` is dropped, once the loop has ended.
  bool Run(std::move_only_function<void()> work);
  void Join();

  // From the loop's thread from here on.
  void Adopt(int fd, std::string peer, bool tls);
  void Retire(HttpConnection* connection);  // closed: freed once nobody needs it
  void Again(HttpConnection* connection);   // resumed at the end of this wake-up
  // Ends the loop once its connections are gone, or at `deadline`.
  void BeginDrain(Deadline deadline);
  bool draining() const { return draining_; }
  std::string_view date() const { return date_; }
  EventLoop& events() { return loop_; }
  const HttpShared& shared() const { return *shared_; }
  // Connections of this loop; from any thread.
  size_t load() const { return load_.load(std::memory_order_relaxed); }
  std::function<void()> on_tick;  // set before Start

 private:
  void OnTick() override;
  void OnBatchEnd() override;
  void RefreshDate();

  const std::shared_ptr<HttpShared> shared_;
  EventLoop loop_;
  std::thread thread_;
  std::unordered_set<HttpConnection*> connections_;
  std::vector<HttpConnection*> retired_;
  std::vector<HttpConnection*> again_;
  std::string date_;
  time_t date_second_ = 0;
  std::atomic<size_t> load_{0};
  bool draining_ = false;
  Deadline drain_until_{};
};

}  // namespace headrace::net
