#include "headrace/net/connection_loop.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace headrace::net {
namespace {

constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

class Closure final : public EventLoop::Task {
 public:
  explicit Closure(std::move_only_function<void()> work) : work_(std::move(work)) {}
  void RunTask() override {
    work_();
    delete this;
  }

 private:
  std::move_only_function<void()> work_;
};

}  // namespace

void ConnectionLoop::Start(const std::string& thread_name) {
  RefreshDate();
  thread_ = std::thread([this, thread_name] {
    pthread_setname_np(pthread_self(), thread_name.c_str());
    loop_.Run(this, shared_->tick_ms);
  });
}

bool ConnectionLoop::Run(std::move_only_function<void()> work) {
  auto* task = new Closure(std::move(work));
  if (loop_.Post(task)) return true;
  delete task;
  return false;
}

void ConnectionLoop::Join() {
  if (thread_.joinable()) thread_.join();
}

void ConnectionLoop::Adopt(int fd, std::string peer, bool tls) {
  if (draining_) {
    close(fd);
    shared_->connections--;
    return;
  }
  Connection* connection = shared_->make(shared_from_this(), fd, std::move(peer), tls ? shared_->tls.load() : nullptr);
  connections_.insert(connection);
  load_.store(connections_.size(), std::memory_order_relaxed);
  if (!connection->Start().ok()) connection->Close();
}

void ConnectionLoop::Retire(Connection* connection) { retired_.push_back(connection); }

void ConnectionLoop::Again(Connection* connection) { again_.push_back(connection); }

void ConnectionLoop::BeginDrain(Deadline deadline) {
  draining_ = true;
  drain_until_ = deadline;
  const std::vector<Connection*> open(connections_.begin(), connections_.end());
  for (Connection* connection : open) connection->BeginDrain();
  OnTick();
}

void ConnectionLoop::OnTick() {
  RefreshDate();
  if (on_tick) on_tick();
  const bool overdue = draining_ && std::chrono::steady_clock::now() >= drain_until_;
  const std::vector<Connection*> open(connections_.begin(), connections_.end());
  for (Connection* connection : open) {
    if (overdue) {
      connection->Close();
    } else {
      connection->OnTick();
    }
  }
}

void ConnectionLoop::OnBatchEnd() {
  while (!again_.empty()) {
    const std::vector<Connection*> resumed = std::exchange(again_, {});
    for (Connection* connection : resumed) connection->Resume();
  }
  for (Connection* connection : std::exchange(retired_, {})) {
    if (connections_.erase(connection) > 0) shared_->connections--;
    if (connection->deletable()) {
      delete connection;
    } else {
      connection->Orphan();
    }
  }
  load_.store(connections_.size(), std::memory_order_relaxed);
  if (draining_ && connections_.empty()) loop_.Quit();
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
void ConnectionLoop::RefreshDate() {
  const time_t now = time(nullptr);
  if (now == date_second_) return;
  date_second_ = now;
  tm utc{};
  gmtime_r(&now, &utc);
  date_ =
      fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[static_cast<size_t>(utc.tm_wday)], utc.tm_mday,
                  kMonths[static_cast<size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace headrace::net
