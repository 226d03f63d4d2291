#include "headrace/net/event_loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

namespace headrace::net {
namespace {

thread_local const EventLoop* current_loop = nullptr;

}  // namespace

EventLoop::~EventLoop() {
  if (wake_ >= 0) close(wake_);
  if (epoll_ >= 0) close(epoll_);
}

void EventLoop::ReadClock() {
  now_ = std::chrono::steady_clock::now();
  now_ms_ = std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch()).count();
}

Status EventLoop::Open() {
  ReadClock();
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return ErrnoStatus(errno, "epoll_create1");
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) return ErrnoStatus(errno, "eventfd");
  return Add(wake_, EPOLLIN, nullptr);
}

Status EventLoop::Add(int fd, uint32_t events, Io* io) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = io;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return ErrnoStatus(errno, "epoll_ctl");
  return OkStatus();
}

void EventLoop::Modify(int fd, uint32_t events, Io* io) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = io;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::Remove(int fd) { epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr); }

bool EventLoop::InLoop() const { return current_loop == this; }

bool EventLoop::Post(Task* task) {
  task->next_ = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (ended_) return false;
    (first_ == nullptr ? first_ : last_->next_) = task;
    last_ = task;
  }
  if (asleep_.exchange(false)) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
  }
  return true;
}

EventLoop::Task* EventLoop::TakeTasks(bool end) {
  std::lock_guard lock(mutex_);
  ended_ = end;
  last_ = nullptr;
  return std::exchange(first_, nullptr);
}

void EventLoop::RunTasks() {
  for (Task* task = TakeTasks(false); task != nullptr;) {
    Task* next = task->next_;
    task->RunTask();
    task = next;
  }
}

void EventLoop::Run(Listener* listener, int tick_ms) {
  current_loop = this;
  std::array<epoll_event, 128> events;
  ReadClock();
  int64_t next_tick = now_ms_ + tick_ms;
  while (!quit_) {
    asleep_.store(true);
    bool waiting;
    {
      std::lock_guard lock(mutex_);
      waiting = first_ != nullptr;
    }
    const int timeout = waiting ? 0 : static_cast<int>(std::clamp<int64_t>(next_tick - now_ms_, 0, tick_ms));
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout);
    asleep_.store(false);
    ReadClock();
    for (int i = 0; i < count; i++) {
      if (auto* io = static_cast<Io*>(events[i].data.ptr)) {
        io->OnIo(events[i].events);
      } else {
        uint64_t ignored;
        [[maybe_unused]] const ssize_t got = read(wake_, &ignored, sizeof ignored);
      }
    }
    RunTasks();
    if (now_ms_ >= next_tick) {
      listener->OnTick();
      next_tick = now_ms_ + tick_ms;
    }
    listener->OnBatchEnd();
  }
  for (Task* task = TakeTasks(true); task != nullptr;) {
    Task* next = task->next_;
    task->RunTask();
    task = next;
  }
  listener->OnBatchEnd();
  current_loop = nullptr;
}

}  // namespace headrace::net
