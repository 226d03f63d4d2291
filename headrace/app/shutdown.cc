#include "headrace/app/shutdown.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>

namespace headrace::app {
namespace {

sigset_t Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

sigset_t SignalsAndWakeUp() {
  sigset_t signals = Signals();
  sigaddset(&signals, SIGUSR1);
  return signals;
}

// The kernel takes the controlling terminal from its processes before it tells them that it is gone.
bool HasTerminal() {
  const int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

// As nohup has it.
bool IgnoresHangup() {
  struct sigaction action{};
  return sigaction(SIGHUP, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

ShutdownSignal::ShutdownSignal(bool hangups) : hangups_(hangups), had_terminal_(!IgnoresHangup() && HasTerminal()) {
  sigset_t signals = SignalsAndWakeUp();
  if (hangups) sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

ShutdownSignal::~ShutdownSignal() {
  if (!waiter_.joinable()) return;
  pthread_kill(waiter_.native_handle(), SIGUSR1);
  waiter_.join();
}

int ShutdownSignal::Wait(const std::function<void()>& on_hangup) {
  sigset_t signals = Signals();
  if (hangups_) sigaddset(&signals, SIGHUP);
  int received = 0;
  while (sigwait(&signals, &received) != 0 || (received == SIGHUP && (HasTerminal() || !had_terminal_)))
    if (received == SIGHUP && on_hangup) on_hangup();
  sigdelset(&signals, SIGHUP);  // which stays without effect while the process ends
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  return received;
}

void ShutdownSignal::Notify(std::function<void(int)> on_signal) {
  waiter_ = std::thread([on_signal = std::move(on_signal)] {
    const sigset_t signals = SignalsAndWakeUp();
    int received = 0;
    sigwait(&signals, &received);
    if (received == SIGUSR1) return;
    const sigset_t unblock = Signals();
    pthread_sigmask(SIG_UNBLOCK, &unblock, nullptr);
    on_signal(received);
  });
}

}  // namespace headrace::app
