#include "headrace/net/http_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/url.hpp>
#include <map>
#include <mutex>
#include <variant>

namespace headrace::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

using TcpStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<TcpStream>;
using UnixStream = beast::basic_stream<asio::local::stream_protocol>;
using Error = beast::error_code;

struct Target {
  std::string scheme, host, port, path;
  std::string key() const { return scheme + "|" + host + "|" + port; }
};

Result<Target> ParseUrl(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed.has_value()) return std::unexpected(InvalidArgument("url \"{}\": {}", url, parsed.error().message()));
  Target target{parsed->scheme(), parsed->host(), parsed->port(), std::string(parsed->encoded_target())};
  if (target.scheme != "http" && target.scheme != "https" && target.scheme != "http+unix")
    return std::unexpected(InvalidArgument("url \"{}\": expected http, https or http+unix", url));
  if (target.port.empty()) target.port = target.scheme == "https" ? "443" : "80";
  if (target.path.empty() || target.path.front() == '?') target.path.insert(0, "/");
  return target;
}

struct Connection {
  asio::io_context io{1};
  std::variant<std::monostate, TcpStream, TlsStream, UnixStream> stream;
  beast::flat_buffer buffer;
};

// Runs one asynchronous operation to its end; the stream's own expiry bounds it.
template <class Start>
Error Await(Connection& connection, Start start) {
  Error result;
  start([&result](Error error, auto&&...) { result = error; });
  connection.io.run();
  connection.io.restart();
  return result;
}

Status Describe(const Error& error, const Target& target) {
  if (error == beast::error::timeout) return DeadlineExceeded("{}:{}: no answer in time", target.host, target.port);
  if (error == http::error::body_limit)
    return ResourceExhausted("{}:{}: the answer is too long", target.host, target.port);
  return Unavailable("{}:{}: {}", target.host, target.port, error.message());
}

Result<asio::ip::tcp::resolver::results_type> Resolve(Connection& connection, const Target& target) {
  Error error;
  asio::ip::tcp::resolver resolver(connection.io);
  auto found = resolver.resolve(target.host, target.port, error);
  if (error) return std::unexpected(Describe(error, target));
  return found;
}

Status Connect(Connection& connection, const Target& target, asio::ssl::context& tls,
               std::chrono::steady_clock::time_point deadline) {
  Error error;
  if (target.scheme == "http+unix") {
    auto& stream = connection.stream.emplace<UnixStream>(connection.io);
    stream.expires_at(deadline);
    error = Await(connection,
                  [&](auto done) { stream.async_connect(asio::local::stream_protocol::endpoint(target.host), done); });
    return error ? Describe(error, target) : OkStatus();
  }
  HR_ASSIGN_OR_RETURN(const auto endpoints, Resolve(connection, target));
  if (target.scheme == "http") {
    auto& stream = connection.stream.emplace<TcpStream>(connection.io);
    stream.expires_at(deadline);
    error = Await(connection, [&](auto done) { stream.async_connect(endpoints, done); });
    if (!error) error = stream.socket().set_option(asio::ip::tcp::no_delay(true), error);
    return error ? Describe(error, target) : OkStatus();
  }
  auto& stream = connection.stream.emplace<TlsStream>(connection.io, tls);
  beast::get_lowest_layer(stream).expires_at(deadline);
  error = Await(connection, [&](auto done) { beast::get_lowest_layer(stream).async_connect(endpoints, done); });
  if (error) return Describe(error, target);
  SSL_set_tlsext_host_name(stream.native_handle(), target.host.c_str());
  stream.set_verify_callback(asio::ssl::host_name_verification(target.host));
  error = Await(connection, [&](auto done) { stream.async_handshake(asio::ssl::stream_base::client, done); });
  return error ? Describe(error, target) : OkStatus();
}

http::request<http::string_body> MakeRequest(const ClientRequest& from, const Target& target) {
  http::request<http::string_body> request;
  request.version(11);
  request.method_string(from.method);
  request.target(target.path);
  request.set(http::field::host, target.scheme == "http+unix" ? "localhost" : target.host + ":" + target.port);
  for (const auto& [name, value] : from.headers) request.set(name, value);
  request.body() = from.body;
  if (!from.body.empty() || from.method == "POST" || from.method == "PUT") request.content_length(from.body.size());
  return request;
}

template <class Stream>
Error Exchange(Connection& connection, Stream& stream, const ClientRequest& from, const Target& target,
               http::response_parser<http::string_body>& parser, std::chrono::steady_clock::time_point deadline) {
  beast::get_lowest_layer(stream).expires_at(deadline);
  const auto request = MakeRequest(from, target);
  if (const Error error = Await(connection, [&](auto done) { http::async_write(stream, request, done); })) return error;
  parser.body_limit(from.max_response_bytes);
  parser.skip(from.method == "HEAD");
  return Await(connection, [&](auto done) { http::async_read(stream, connection.buffer, parser, done); });
}

ClientResponse Convert(http::response<http::string_body> from) {
  ClientResponse response{.status = static_cast<int>(from.result_int()), .headers = {}, .body = std::move(from.body())};
  for (const auto& field : from) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    response.headers.emplace_back(std::move(name), field.value());
  }
  return response;
}

}  // namespace

std::string_view ClientResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return "";
}

class HttpClient::Impl {
 public:
  explicit Impl(const std::string& ca_file) {
    Error error;
    const Error result = ca_file.empty() ? tls_.set_default_verify_paths(error) : tls_.load_verify_file(ca_file, error);
    if (result)
      trust_ = InvalidArgument("the certificates to trust, {}, cannot be read: {}",
                               ca_file.empty() ? "the system's" : ca_file, result.message());
    tls_.set_verify_mode(asio::ssl::verify_peer);
  }

  Result<ClientResponse> Fetch(const ClientRequest& request) {
    HR_ASSIGN_OR_UNEXPECTED(const Target target, ParseUrl(request.url));
    const auto deadline = std::chrono::steady_clock::now() + request.timeout;
    // A kept connection may have been closed by the server meanwhile: then once more, on a new one.
    if (auto kept = Take(target.key())) {
      auto response = FetchOn(std::move(kept), request, target, deadline);
      if (response || response.error().code() != Code::kUnavailable) return response;
    }
    if (target.scheme == "https") HR_UNEXPECTED_IF_ERROR(trust_);
    auto fresh = std::make_unique<Connection>();
    HR_UNEXPECTED_IF_ERROR(Connect(*fresh, target, tls_, deadline));
    return FetchOn(std::move(fresh), request, target, deadline);
  }

 private:
  Result<ClientResponse> FetchOn(std::unique_ptr<Connection> connection, const ClientRequest& request,
                                 const Target& target, std::chrono::steady_clock::time_point deadline) {
    http::response_parser<http::string_body> parser;
    const Error error = std::visit(
        [&](auto& stream) -> Error {
          if constexpr (std::is_same_v<std::remove_cvref_t<decltype(stream)>, std::monostate>) {
            return asio::error::not_connected;
          } else {
            return Exchange(*connection, stream, request, target, parser, deadline);
          }
        },
        connection->stream);
    if (error) return std::unexpected(Describe(error, target));
    const bool keep = parser.keep_alive();
    ClientResponse response = Convert(parser.release());
    if (keep) Keep(target.key(), std::move(connection));
    return response;
  }

  std::unique_ptr<Connection> Take(const std::string& key) {
    std::lock_guard lock(mutex_);
    auto& kept = kept_[key];
    if (kept.empty()) return nullptr;
    auto connection = std::move(kept.back());
    kept.pop_back();
    return connection;
  }

  void Keep(const std::string& key, std::unique_ptr<Connection> connection) {
    std::lock_guard lock(mutex_);
    if (kept_[key].size() < 8) kept_[key].push_back(std::move(connection));
  }

  asio::ssl::context tls_{asio::ssl::context::tls_client};
  Status trust_;  // why `tls_` trusts nobody
  std::mutex mutex_;
  std::map<std::string, std::vector<std::unique_ptr<Connection>>> kept_;
};

HttpClient::HttpClient(std::string ca_file) : impl_(std::make_unique<Impl>(ca_file)) {}
HttpClient::~HttpClient() = default;
Result<ClientResponse> HttpClient::Fetch(const ClientRequest& request) { return impl_->Fetch(request); }

}  // namespace headrace::net
