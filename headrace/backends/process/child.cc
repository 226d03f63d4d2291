#include "headrace/backends/process/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <optional>

namespace headrace::process {
namespace fs = std::filesystem;
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

constexpr int kParentDied = SIGUSR1;

// System calls as they are, for the processes made by a fork of this threaded one. The kernel copies the table of
// descriptors before the memory, so what a wrapper (a sanitizer's, say) remembers of a descriptor may be of one that
// another thread opened in between and the fork does not have.
namespace plain {
int Open(const char* path, int flags) { return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags)); }
ssize_t Read(int fd, void* to, size_t size) { return ::syscall(SYS_read, fd, to, size); }
ssize_t Write(int fd, const void* from, size_t size) { return ::syscall(SYS_write, fd, from, size); }
void Close(int fd) { ::syscall(SYS_close, fd); }
bool Duplicate(int from, int to) {
  // dup3 refuses equal numbers, which dup2 would leave as they are and closing on exec.
  if (from == to) return ::syscall(SYS_fcntl, from, F_SETFD, 0) == 0;
  return ::syscall(SYS_dup3, from, to, 0) >= 0;
}
// The kernel's own struct sigaction has the handler first, and SIG_DFL and no flags are zeros.
void DefaultSignal(int number) {
  constexpr size_t kSetBytes = 8;
  const std::array<unsigned long, 4> action{};
  ::syscall(SYS_rt_sigaction, number, action.data(), nullptr, kSetBytes);
}
[[noreturn]] void Exit(int code) {
  while (true) ::syscall(SYS_exit_group, code);
}
}  // namespace plain

// Everything that the supervisor and the task need, laid out before the fork: after it, nothing allocates.
struct Prepared {
  const char* program = nullptr;
  std::vector<char*> argv;
  std::vector<char*> env;
  const char* work_dir = nullptr;
  int output = -1;
  int error = -1;
  pid_t parent = 0;
  int64_t grace_ms = 0;
};

// In the task's process.
[[noreturn]] void Exec(const Prepared& prepared) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int number = 1; number < NSIG; number++) plain::DefaultSignal(number);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = plain::Open("/dev/null", O_RDONLY);
  const bool ready = null >= 0 && plain::Duplicate(null, STDIN_FILENO) &&
                     plain::Duplicate(prepared.output, STDOUT_FILENO) &&
                     plain::Duplicate(prepared.output, STDERR_FILENO) && ::chdir(prepared.work_dir) == 0;
  if (ready) {
    ::syscall(SYS_close_range, 3U, ~0U, 4U);  // CLOSE_RANGE_CLOEXEC
    ::execve(prepared.program, prepared.argv.data(), prepared.env.data());
  }
  const int error = errno;
  if (plain::Write(prepared.error, &error, sizeof(error)) < 0) plain::Exit(126);
  plain::Exit(127);
}

// SIGKILL to every child of this process. False when the kernel does not say which they are.
bool KillChildren() {
  const int fd = plain::Open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[4096];
  const ssize_t size = plain::Read(fd, text, sizeof(text) - 1);
  plain::Close(fd);
  pid_t pid = 0;
  for (ssize_t i = 0; i < size; i++) {
    if (text[i] >= '0' && text[i] <= '9') {
      pid = pid * 10 + (text[i] - '0');
    } else {
      if (pid > 0) ::kill(pid, SIGKILL);
      pid = 0;
    }
  }
  return size >= 0;
}

// Kills and reaps until nothing is left; orphans of the killed become this process's children and are next.
void KillTree(pid_t task) {
  ::kill(-task, SIGKILL);
  while (true) {
    const bool complete = KillChildren();
    const pid_t pid = ::waitpid(-1, nullptr, complete ? 0 : WNOHANG);
    if (pid == 0 || (pid < 0 && errno != EINTR)) return;
  }
}

[[noreturn]] void Supervise(const Prepared& prepared) {
  ::setsid();
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_PDEATHSIG, kParentDied);
  ::syscall(SYS_prctl, PR_SET_NAME, "headrace-task", 0, 0, 0);
  if (::getppid() != prepared.parent) plain::Exit(128 + SIGKILL);
  const pid_t task = ::_Fork();
  if (task == 0) Exec(prepared);
  ::syscall(SYS_close_range, 0U, ~0U, 0U);
  if (task < 0) plain::Exit(126);

  sigset_t waited;
  sigfillset(&waited);
  int64_t grace_ms = -1;  // what is left of it; negative: nobody asked to stop
  while (true) {
    const timespec tick{grace_ms < 0 ? 1 : 0, grace_ms < 0 ? 0 : 50'000'000};
    const int signal = ::sigtimedwait(&waited, nullptr, &tick);
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid != task) continue;
      KillTree(task);
      plain::Exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    }
    const bool orphaned = ::getppid() != prepared.parent;
    if (signal == SIGTERM && grace_ms < 0) {
      ::kill(-task, SIGTERM);
      grace_ms = prepared.grace_ms;
    } else if (signal < 0 && grace_ms > 0) {
      grace_ms = grace_ms > 50 ? grace_ms - 50 : 0;
    }
    if (signal == kParentDied || orphaned || grace_ms == 0) {
      KillTree(task);
      plain::Exit(128 + SIGKILL);
    }
  }
}

std::vector<char*> Pointers(std::vector<std::string>* strings) {
  std::vector<char*> out;
  out.reserve(strings->size() + 1);
  for (auto& text : *strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// As a shell finds it, in the child's own PATH.
Result<std::string> FindProgram(const std::string& name, const std::map<std::string, std::string>& env,
                                const fs::path& work_dir) {
  if (name.empty()) return std::unexpected(InvalidArgument("the command is empty"));
  if (name.find('/') != std::string::npos) {
    const fs::path path = work_dir / name;
    if (::access(path.c_str(), X_OK) == 0) return path.string();
    return std::unexpected(ErrnoStatus(errno, path.string()));
  }
  const auto found = env.find("PATH");
  std::string_view rest = found == env.end() ? std::string_view("/usr/bin:/bin") : found->second;
  while (true) {
    const size_t colon = rest.find(':');
    const fs::path path = fs::path(rest.substr(0, colon)) / name;
    if (path.is_absolute() && ::access(path.c_str(), X_OK) == 0 && !fs::is_directory(path)) return path.string();
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  return std::unexpected(NotFound("{}: no such program", name));
}

// Reads what there is. False at the end of the stream.
bool Drain(int fd, const std::function<void(std::string_view)>& output) {
  char buffer[16384];
  while (true) {
    const ssize_t size = ::read(fd, buffer, sizeof(buffer));
    if (size > 0) output(std::string_view(buffer, static_cast<size_t>(size)));
    if (size == 0) return false;
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno == EAGAIN;
  }
}

int PollTimeout(std::optional<std::chrono::steady_clock::time_point> deadline) {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000));
}

// Waits for the supervisor `pid`, whose end makes `pidfd` readable.
ChildExit Attend(pid_t pid, int pidfd, int output_fd, const StopToken& stop, Duration timeout,
                 const std::function<void(std::string_view)>& output) {
  ChildExit out;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  if (timeout > Duration::zero()) deadline = std::chrono::steady_clock::now() + timeout;
  bool stopping = false;
  bool open = true;
  while (true) {
    pollfd fds[] = {{pidfd, POLLIN, 0}, {open ? output_fd : -1, POLLIN, 0}, {stopping ? -1 : stop.fd(), POLLIN, 0}};
    ::poll(fds, 3, stopping ? -1 : PollTimeout(deadline));
    if (open) open = Drain(output_fd, output);
    if (fds[0].revents != 0) break;
    if (stopping) continue;
    if (stop.stopped()) out.cause = ChildExit::Cause::kStopped;
    if (deadline && std::chrono::steady_clock::now() >= *deadline) out.cause = ChildExit::Cause::kTimedOut;
    if (out.cause == ChildExit::Cause::kExited) continue;
    stopping = true;
    ::kill(pid, SIGTERM);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (open) Drain(output_fd, output);
  out.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  if (out.code == 0) out.cause = ChildExit::Cause::kExited;  // it was done before it heard of the request
  return out;
}

}  // namespace

StopToken::StopToken() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) std::abort();
}

StopToken::~StopToken() { ::close(fd_); }

void StopToken::Stop() {
  const uint64_t one = 1;
  if (::write(fd_, &one, sizeof(one)) < 0) return;  // full: it is readable already
}

bool StopToken::stopped() const {
  pollfd fd{fd_, POLLIN, 0};
  return ::poll(&fd, 1, 0) == 1;
}

Result<ChildExit> RunChild(const ChildSpec& spec, const StopToken& stop, Duration timeout,
                           const std::function<void(std::string_view)>& output) {
  if (spec.argv.empty()) return std::unexpected(InvalidArgument("the command is empty"));
  HR_ASSIGN_OR_UNEXPECTED(const std::string program, FindProgram(spec.argv[0], spec.env, spec.work_dir));
  std::vector<std::string> argv = spec.argv;
  std::vector<std::string> env;
  env.reserve(spec.env.size());
  for (const auto& [name, value] : spec.env) env.push_back(name + "=" + value);
  int output_pipe[2];
  int error_pipe[2];
  if (::pipe2(output_pipe, O_CLOEXEC) != 0) return std::unexpected(ErrnoStatus(errno, "pipe"));
  Descriptor output_read(output_pipe[0]);
  Descriptor output_write(output_pipe[1]);
  if (::pipe2(error_pipe, O_CLOEXEC) != 0) return std::unexpected(ErrnoStatus(errno, "pipe"));
  Descriptor error_read(error_pipe[0]);
  Descriptor error_write(error_pipe[1]);
  ::fcntl(output_read.get(), F_SETFL, O_NONBLOCK);

  Prepared prepared;
  prepared.program = program.c_str();
  prepared.argv = Pointers(&argv);
  prepared.env = Pointers(&env);
  prepared.work_dir = spec.work_dir.c_str();
  prepared.output = output_write.get();
  prepared.error = error_write.get();
  prepared.parent = ::getpid();
  prepared.grace_ms = std::max<int64_t>(spec.grace.count(), 1);

  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // no handler of ours runs in the fork
  const pid_t pid = ::_Fork();
  if (pid == 0) Supervise(prepared);
  const int fork_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return std::unexpected(ErrnoStatus(fork_error, "fork"));
  output_write.Close();
  error_write.Close();
  const Descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));

  int exec_error = 0;
  ssize_t size = 0;
  while ((size = ::read(error_read.get(), &exec_error, sizeof(exec_error))) < 0 && errno == EINTR) {
  }
  ChildExit out = Attend(pid, pidfd.get(), output_read.get(), stop, timeout, output);
  if (size == sizeof(exec_error)) {
    if (exec_error == E2BIG)
      return std::unexpected(ResourceExhausted("{}: the arguments are longer than the kernel takes", program));
    return std::unexpected(ErrnoStatus(exec_error, "cannot start " + program));
  }
  return out;
}

}  // namespace headrace::process
