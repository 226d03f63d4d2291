#include "headrace/net/http_loop.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "headrace/net/http_connection.h"

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

// A quarter of the shortest limit, so that limits hold to within that; never busy.
int TickMs(const HttpServerOptions& options) {
  const Duration shortest = std::min({options.header_timeout, options.body_timeout, options.idle_timeout});
  const int64_t quarter = std::chrono::duration_cast<std::chrono::milliseconds>(shortest).count() / 4;
  return static_cast<int>(std::clamp<int64_t>(quarter, 10, 500));
}

}  // namespace

void HttpLoop::Start() {
  RefreshDate();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "http");
    loop_.Run(this, TickMs(shared_->options));
  });
}

bool HttpLoop::Run(std::move_only_function<void()> work) {
  auto* task = new Closure(std::move(work));
  if (loop_.Post(task)) return true;
  delete task;
  return false;
}

void HttpLoop::Join() {
  if (thread_.joinable()) thread_.join();
}

void HttpLoop::Adopt(int fd, std::string peer, bool tls) {
  if (draining_) {
    close(fd);
    shared_->connections--;
    return;
  }
  auto* connection = new HttpConnection(shared_from_this(), fd, std::move(peer), tls ? shared_->tls.load() : nullptr);
  connections_.insert(connection);
  load_.store(connections_.size(), std::memory_order_relaxed);
  if (!connection->Start().ok()) connection->Close();
}

void HttpLoop::Retire(HttpConnection* connection) { retired_.push_back(connection); }

void HttpLoop::Again(HttpConnection* connection) { again_.push_back(connection); }

void HttpLoop::BeginDrain(Deadline deadline) {
  draining_ = true;
  drain_until_ = deadline;
  const std::vector<HttpConnection*> open(connections_.begin(), connections_.end());
  for (HttpConnection* connection : open) connection->BeginDrain();
  OnTick();
}

void HttpLoop::OnTick() {
  RefreshDate();
  if (on_tick) on_tick();
  const bool overdue = draining_ && std::chrono::steady_clock::now() >= drain_until_;
  const std::vector<HttpConnection*> open(connections_.begin(), connections_.end());
  for (HttpConnection* connection : open) {
    if (overdue) {
      connection->Close();
    } else {
      connection->OnTick();
    }
  }
}

void HttpLoop::OnBatchEnd() {
  while (!again_.empty()) {
    const std::vector<HttpConnection*> resumed = std::exchange(again_, {});
    for (HttpConnection* connection : resumed) connection->Resume();
  }
  for (HttpConnection* connection : std::exchange(retired_, {})) {
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
void HttpLoop::RefreshDate() {
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
