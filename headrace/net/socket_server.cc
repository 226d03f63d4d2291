#include "headrace/net/socket_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "headrace/base/log.h"

namespace headrace::net {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsAtOnce = 64;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Result<Address> TcpAddress(const std::string& host, int port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (port < 0 || port > 65535) return std::unexpected(InvalidArgument("port {}: expected 0 to 65535", port));
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    address.length = sizeof *v4;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    address.length = sizeof *v6;
  } else {
    return std::unexpected(InvalidArgument("address \"{}\": expected a numeric IPv4 or IPv6 address", host));
  }
  return address;
}

Result<Address> UnixAddress(const std::string& path) {
  Address address;
  auto* name = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.size() >= sizeof name->sun_path)
    return std::unexpected(InvalidArgument("unix socket \"{}\": at most {} bytes", path, sizeof name->sun_path - 1));
  name->sun_family = AF_UNIX;
  std::memcpy(name->sun_path, path.c_str(), path.size() + 1);
  address.length = sizeof *name;
  return address;
}

std::string PeerName(const Address& peer) {
  char text[INET6_ADDRSTRLEN] = "";
  if (peer.storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&peer.storage);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4->sin_port));
  }
  if (peer.storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&peer.storage);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(v6->sin6_port));
  }
  return "unix";
}

Result<int> Listen(Address address, std::string_view what) {
  const int family = address.storage.ss_family;
  const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(ErrnoStatus(errno, "socket"));
  const int on = 1;
  if (family != AF_UNIX) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, address.get(), address.length) != 0 || listen(fd, kBacklog) != 0) {
    const Status status = ErrnoStatus(errno, fmt::format("cannot listen on {}", what));
    close(fd);
    return std::unexpected(status);
  }
  return fd;
}

}  // namespace

// Accepts on the first loop's thread and hands each connection to the loop that has fewest.
class Acceptor final : public EventLoop::Io {
 public:
  Acceptor(int fd, bool tcp, std::shared_ptr<ConnectionShared> shared,
           std::vector<std::shared_ptr<ConnectionLoop>>* loops)
      : fd_(fd), tcp_(tcp), shared_(std::move(shared)), loops_(*loops) {}
  ~Acceptor() override { Stop(); }

  Status Listen() { return loops_.front()->events().Add(fd_, EPOLLIN, this); }
  void Stop() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  // After running out of file descriptors.
  void Resume() {
    if (fd_ >= 0 && std::exchange(paused_, false)) loops_.front()->events().Modify(fd_, EPOLLIN, this);
  }

  void OnIo(uint32_t) override {
    for (int i = 0; i < kAcceptsAtOnce && fd_ >= 0; i++) {
      Address peer;
      peer.length = sizeof peer.storage;
      const int fd = accept4(fd_, peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return Refused(errno);
      Take(fd, peer);
    }
  }

 private:
  void Refused(int error) {
    if (error != EMFILE && error != ENFILE && error != ENOMEM && error != ENOBUFS) return;
    HR_LOG(warn, "cannot accept a connection: {}; trying again soon", ErrnoStatus(error, "accept").message());
    paused_ = true;
    loops_.front()->events().Modify(fd_, 0, this);
  }

  void Take(int fd, const Address& peer) {
    if (shared_->connections.fetch_add(1) >= shared_->max_connections) {
      shared_->connections--;
      close(fd);
      return;
    }
    if (tcp_) {
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    ConnectionLoop* loop = std::ranges::min_element(loops_, {}, [](const auto& l) { return l->load(); })->get();
    const bool tls = tcp_ && shared_->tls.load() != nullptr;
    if (loop->events().InLoop()) return loop->Adopt(fd, PeerName(peer), tls);
    if (loop->Run([loop, fd, name = PeerName(peer), tls]() mutable { loop->Adopt(fd, std::move(name), tls); })) return;
    shared_->connections--;
    close(fd);
  }

  int fd_;
  const bool tcp_;
  const std::shared_ptr<ConnectionShared> shared_;
  std::vector<std::shared_ptr<ConnectionLoop>>& loops_;
  bool paused_ = false;
};

SocketServer::SocketServer(const SocketServerOptions& options)
    : options_(options), shared_(std::make_shared<ConnectionShared>()) {}

SocketServer::~SocketServer() { Stop(Deadline::min()); }

Result<std::unique_ptr<SocketServer>> SocketServer::Start(const SocketServerOptions& options,
                                                          ConnectionShared::Make make) {
  std::unique_ptr<SocketServer> server(new SocketServer(options));
  HR_UNEXPECTED_IF_ERROR(server->Open(std::move(make)));
  return server;
}

Status SocketServer::Open(ConnectionShared::Make make) {
  std::signal(SIGPIPE, SIG_IGN);
  shared_->make = std::move(make);
  shared_->tick_ms = options_.tick_ms;
  shared_->max_connections = options_.max_connections;
  if (options_.tls) {
    HR_ASSIGN_OR_RETURN(auto tls, TlsContext::Make(*options_.tls, options_.application));
    shared_->tls.store(std::move(tls));
  }
  for (int i = 0; i < std::max(1, options_.threads); i++) {
    loops_.push_back(std::make_shared<ConnectionLoop>(shared_));
    HR_RETURN_IF_ERROR(loops_.back()->Open());
  }
  loops_.front()->on_tick = [this] {
    for (const auto& acceptor : acceptors_) acceptor->Resume();
  };
  HR_RETURN_IF_ERROR(ListenTcp());
  HR_RETURN_IF_ERROR(ListenUnix());
  for (const auto& loop : loops_) loop->Start(options_.thread_name);
  started_ = true;
  return OkStatus();
}

Status SocketServer::ListenTcp() {
  if (options_.port < 0) return OkStatus();
  HR_ASSIGN_OR_RETURN(Address address, TcpAddress(options_.address, options_.port));
  HR_ASSIGN_OR_RETURN(const int fd, Listen(address, fmt::format("{} port {}", options_.address, options_.port)));
  acceptors_.push_back(std::make_unique<Acceptor>(fd, true, shared_, &loops_));
  Address real;
  real.length = sizeof real.storage;
  getsockname(fd, real.get(), &real.length);
  const bool v4 = real.storage.ss_family == AF_INET;
  port_ = ntohs(v4 ? reinterpret_cast<sockaddr_in*>(&real.storage)->sin_port
                   : reinterpret_cast<sockaddr_in6*>(&real.storage)->sin6_port);
  return acceptors_.back()->Listen();
}

Status SocketServer::ListenUnix() {
  const std::string& path = options_.unix_socket;
  if (path.empty()) return OkStatus();
  HR_ASSIGN_OR_RETURN(const Address address, UnixAddress(path));
  struct stat old{};
  if (lstat(path.c_str(), &old) == 0 && S_ISSOCK(old.st_mode)) unlink(path.c_str());
  HR_ASSIGN_OR_RETURN(const int fd, Listen(address, path));
  acceptors_.push_back(std::make_unique<Acceptor>(fd, false, shared_, &loops_));
  return acceptors_.back()->Listen();
}

Status SocketServer::ReloadTls(const TlsOptions& tls) {
  if (!options_.tls) return FailedPrecondition("the server was started without TLS");
  HR_ASSIGN_OR_RETURN(auto context, TlsContext::Make(tls, options_.application));
  shared_->tls.store(std::move(context));
  return OkStatus();
}

void SocketServer::Stop(Deadline deadline) {
  std::lock_guard lock(stopping_);
  if (!std::exchange(started_, false)) return;
  // Accepting ends first, on its own thread, so that no connection is handed to a loop that has already drained.
  loops_.front()->Run([this, deadline] {
    for (const auto& acceptor : acceptors_) acceptor->Stop();
    for (const auto& loop : loops_) {
      ConnectionLoop* draining = loop.get();
      if (!draining->Run([draining, deadline] { draining->BeginDrain(deadline); })) continue;
    }
  });
  for (const auto& loop : loops_) loop->Join();
  if (!options_.unix_socket.empty()) unlink(options_.unix_socket.c_str());
}

}  // namespace headrace::net
