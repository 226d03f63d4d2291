// One loop of a SocketServer: its thread's connections, their time limits, the draining.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/net/event_loop.h"
#include "headrace/net/transport.h"

namespace headrace::net {

// One client, of whatever protocol. Lives on its loop's thread, which owns it until it is closed.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual Status Start() = 0;
  virtual void OnTick() = 0;      // closes what has taken too long
  virtual void BeginDrain() = 0;  // closes when idle, else after what is under way
  virtual void Resume() = 0;      // asked for with ConnectionLoop::Again
  virtual void Close() = 0;       // ends in ConnectionLoop::Retire; idempotent
  // False while another thread holds it: then it is orphaned, and calls Retire once more or frees itself.
  virtual bool deletable() const = 0;
  virtual void Orphan() = 0;
};

// Shared by all loops of a server.
struct ConnectionShared {
  // Makes the connection for an accepted socket, which it takes over.
  using Make = std::function<Connection*(const std::shared_ptr<class ConnectionLoop>& loop, int fd, std::string peer,
                                         std::shared_ptr<TlsContext> tls)>;
  Make make;
  int tick_ms = 500;
  size_t max_connections = 16384;
  std::atomic<size_t> connections{0};
  std::atomic<std::shared_ptr<TlsContext>> tls;
};

class ConnectionLoop : public std::enable_shared_from_this<ConnectionLoop>, private EventLoop::Listener {
 public:
  // Open, Start, and Join from the server; made as a shared_ptr, which its connections hold too.
  explicit ConnectionLoop(std::shared_ptr<ConnectionShared> shared) : shared_(std::move(shared)) {}
  ConnectionLoop(const ConnectionLoop&) = delete;
  ConnectionLoop& operator=(const ConnectionLoop&) = delete;

  Status Open() { return loop_.Open(); }
  void Start(const std::string& thread_name);
  // Runs `work` on the loop's thread; false, and `work` is dropped, once the loop has ended.
  bool Run(std::move_only_function<void()> work);
  void Join();

  // From the loop's thread from here on.
  void Adopt(int fd, std::string peer, bool tls);
  void Retire(Connection* connection);  // closed: freed once nobody needs it
  void Again(Connection* connection);   // resumed at the end of this wake-up
  // Ends the loop once its connections are gone, or at `deadline`.
  void BeginDrain(Deadline deadline);
  bool draining() const { return draining_; }
  // Now, as HTTP's Date header has it.
  std::string_view date() const { return date_; }
  EventLoop& events() { return loop_; }
  // Connections of this loop; from any thread.
  size_t load() const { return load_.load(std::memory_order_relaxed); }
  std::function<void()> on_tick;  // set before Start

 private:
  void OnTick() override;
  void OnBatchEnd() override;
  void RefreshDate();

  const std::shared_ptr<ConnectionShared> shared_;
  EventLoop loop_;
  std::thread thread_;
  std::unordered_set<Connection*> connections_;
  std::vector<Connection*> retired_;
  std::vector<Connection*> again_;
  std::string date_;
  time_t date_second_ = 0;
  std::atomic<size_t> load_{0};
  bool draining_ = false;
  Deadline drain_until_{};
};

}  // namespace headrace::net
