// What an HTTP handler sees: the request as views into the connection's memory, and the responder that answers it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/net/client_name.h"

namespace headrace::net {

// Bytes behind a request's body that may be read (not written) though they are not part of it; simdjson's padding.
inline constexpr size_t kBodyPadding = 64;

struct HttpHeader {
  std::string_view name;
  std::string_view value;
};

// A request whose head and body have arrived. Everything it points to belongs to the connection and stays valid and
// unchanged until the request's HttpResponder has sent or is gone, on whatever thread that is. Not thread-safe itself.
class HttpRequest {
 public:
  std::string_view method() const { return method_; }  // "GET"
  std::string_view target() const { return target_; }  // as sent: "/a%20b?c=d"
  std::string_view path() const { return target_.substr(0, query_at_); }
  // Behind the '?'; empty when there is none (has_query tells "/x?" from "/x").
  std::string_view query() const { return has_query() ? target_.substr(query_at_ + 1) : std::string_view(); }
  bool has_query() const { return query_at_ < target_.size(); }
  // The first header of that name in any case; nullopt when absent.
  std::optional<std::string_view> header(std::string_view name) const;
  std::span<const HttpHeader> headers() const { return headers_; }

  // The whole body, de-chunked and, when it came as gzip or deflate, inflated. kBodyPadding readable bytes follow it.
  // Its bytes may be changed in place.
  std::span<char> body() const { return body_; }
  std::string_view body_text() const { return {body_.data(), body_.size()}; }
  // Where the body went when HttpHandler::PlanBody asked for a file; body() is then empty. Removed with the request;
  // rename it away to keep it.
  const std::filesystem::path& body_file() const { return body_file_; }

  // "127.0.0.1:4711"; "unix" for a Unix-domain socket.
  std::string peer() const { return std::string(peer_); }
  // The subject of the client's verified certificate; empty without mutual TLS.
  std::string_view client_subject() const { return client_subject_; }
  // The W3C trace that it belongs to: the client's, or the one that the access log gives it; empty: none.
  std::string_view trace_id() const { return trace_id_; }
  // When the last of its bytes had come.
  Deadline arrived() const { return arrived_; }
  // Who asks, once a handler has found it out and told those behind it.
  const ClientName& client() const { return client_; }
  void set_client(ClientName client) { client_ = std::move(client); }

 private:
  friend class HttpConnection;
  std::string_view method_, target_, peer_, client_subject_, trace_id_;
  ClientName client_;
  Deadline arrived_{};
  size_t query_at_ = 0;
  std::span<const HttpHeader> headers_;
  std::span<char> body_;
  std::filesystem::path body_file_;
};

class HttpConnection;

// The right and duty to answer one request, once. Movable to any thread; used by one thread at a time. Destroyed
// without Send it answers 500. Sending on the connection's own thread inside HttpHandler::Handle writes at once; from
// elsewhere it hops to that thread.
class HttpResponder {
 public:
  HttpResponder() = default;
  explicit HttpResponder(HttpConnection* connection) : connection_(connection) {}
  HttpResponder(HttpResponder&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  HttpResponder& operator=(HttpResponder&& other) noexcept;
  ~HttpResponder();

  // The answer's body: empty at first, a buffer that the connection keeps from request to request. Write into it
  // directly. Must not be used after Send.
  std::string& body();
  // Sends `bytes` behind body() without copying them; `owner` keeps them until they are written.
  void Append(std::string_view bytes, std::shared_ptr<const void> owner);
  // A header besides Content-Type, Content-Length, Connection and Date, which are the server's. CR and LF must not
  // occur.
  void SetHeader(std::string_view name, std::string_view value);
  // Compresses body() by the request's Accept-Encoding (gzip or deflate) when the client takes either.
  void CompressIfAccepted();
  // Closes the connection after this answer.
  void CloseAfter();

  void Send(int status, std::string_view content_type);
  // body() set to `text`, then Send.
  void Send(int status, std::string_view content_type, std::string_view text);
  // Streams a file; 404 with an empty body when it cannot be opened. A single `Range: bytes=…` is honoured (206, 416).
  void SendFile(const std::filesystem::path& path, std::string_view content_type);

  explicit operator bool() const { return connection_ != nullptr; }

 private:
  HttpConnection* connection_ = nullptr;  // one reference is held
};

// What to do with a body that is about to arrive.
struct BodyPlan {
  size_t max_bytes = 0;                   // 0: the server's own limit
  std::filesystem::path spool_into = {};  // not empty: the body goes into a new file in this folder
};

// Thread-safe: called by all of a server's threads. Must outlive the server.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // On one of the server's loops: must not block. Answers through `responder`, here or later.
  virtual void Handle(HttpRequest& request, HttpResponder responder) = 0;
  // Asked when the head is there and a body follows; `request` has no body yet.
  virtual BodyPlan PlanBody(const HttpRequest& request);
};

// "Not Found"; "Unknown" for a number without a name.
std::string_view HttpReason(int status);

// As header names, media types and URL schemes are compared: ASCII letters in any case.
bool EqualIgnoringCase(std::string_view a, std::string_view b);

// "a%20b" → "a b"; '+' stays. nullopt for a broken escape.
std::optional<std::string> PercentDecode(std::string_view text);
// Everything but unreserved characters (RFC 3986) escaped.
std::string PercentEncode(std::string_view text);
// The decoded value ('+' is a space) of the first parameter `name` in "a=1&b=2"; nullopt when absent.
std::optional<std::string> QueryParameter(std::string_view query, std::string_view name);

}  // namespace headrace::net
