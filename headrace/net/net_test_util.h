// Raw sockets for tests of the HTTP server: what a client sends byte for byte, and what it gets back.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "headrace/net/http_server.h"

namespace headrace::net {

class FunctionHandler : public HttpHandler {
 public:
  using Function = std::function<void(HttpRequest&, HttpResponder)>;
  explicit FunctionHandler(Function function) : function_(std::move(function)) {}
  void Handle(HttpRequest& request, HttpResponder responder) override { function_(request, std::move(responder)); }
  BodyPlan PlanBody(const HttpRequest&) override { return plan; }
  BodyPlan plan;

 private:
  Function function_;
};

class RawClient {
 public:
  explicit RawClient(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  // False when the peer has closed.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  void FinishSending() { shutdown(fd_, SHUT_WR); }
  // Reads until `done(received)` or the end of the stream or ten seconds without a byte; returns what came, and keeps
  // what lies behind `take` for the next call.
  std::string ReadUntil(const std::function<size_t(std::string_view)>& take) {
    for (;;) {
      if (const size_t length = take(received_); length > 0) return Take(length);
      if (!More()) return Take(received_.size());
    }
  }
  // One response with a Content-Length, head and body.
  std::string ReadResponse(bool head_only = false) {
    return ReadUntil([head_only](std::string_view text) -> size_t {
      const size_t end = text.find("\r\n\r\n");
      if (end == text.npos) return 0;
      const size_t at = text.find("Content-Length: ");
      const size_t length =
          at == text.npos || at > end || head_only ? 0 : std::strtoul(text.data() + at + 16, nullptr, 10);
      return text.size() >= end + 4 + length ? end + 4 + length : 0;
    });
  }
  std::string ReadToEnd() {
    return ReadUntil([](std::string_view) { return 0; });
  }
  // The peer has closed, and nothing else came.
  bool AtEnd() { return received_.empty() && ReadToEnd().empty() && ended_; }

 private:
  bool More() {
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, 10000) <= 0) return false;
    char bytes[65536];
    const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
    ended_ = got <= 0;
    if (got > 0) received_.append(bytes, static_cast<size_t>(got));
    return got > 0;
  }
  std::string Take(size_t length) {
    std::string out = received_.substr(0, length);
    received_.erase(0, length);
    return out;
  }

  int fd_;
  bool connected_ = false;
  bool ended_ = false;
  std::string received_;
};

inline int StatusOf(std::string_view response) {
  return response.size() > 12 ? std::atoi(std::string(response.substr(9, 3)).c_str()) : 0;
}
inline std::string BodyOf(std::string_view response) {
  const size_t end = response.find("\r\n\r\n");
  return end == response.npos ? "" : std::string(response.substr(end + 4));
}

}  // namespace headrace::net
