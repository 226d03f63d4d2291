#include "headrace/net/http.h"

#include <strings.h>

#include <array>
#include <utility>

#include "headrace/net/http_connection.h"
#include "headrace/net/response_writer.h"

namespace headrace::net {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsUnreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<std::string_view> HttpRequest::header(std::string_view name) const {
  for (const HttpHeader& header : headers_)
    if (EqualIgnoringCase(header.name, name)) return header.value;
  return std::nullopt;
}

BodyPlan HttpHandler::PlanBody(const HttpRequest&) { return {}; }

HttpResponder& HttpResponder::operator=(HttpResponder&& other) noexcept {
  std::swap(connection_, other.connection_);
  return *this;
}

HttpResponder::~HttpResponder() {
  if (connection_ != nullptr) Send(500, "application/json", R"({"error":"the request was dropped"})");
}

std::string& HttpResponder::body() { return connection_->response().body; }

void HttpResponder::Append(std::string_view bytes, std::shared_ptr<const void> owner) {
  connection_->response().appended.emplace_back(bytes, std::move(owner));
}

void HttpResponder::SetHeader(std::string_view name, std::string_view value) {
  std::string& headers = connection_->response().headers;
  headers.append(name).append(": ").append(value).append("\r\n");
}

void HttpResponder::CompressIfAccepted() { connection_->response().compress = true; }

void HttpResponder::CloseAfter() { connection_->response().close = true; }

void HttpResponder::Send(int status, std::string_view content_type) {
  HttpConnection* connection = std::exchange(connection_, nullptr);
  connection->response().status = status;
  connection->response().content_type = content_type;
  connection->Complete();
}

void HttpResponder::Send(int status, std::string_view content_type, std::string_view text) {
  body() = text;
  Send(status, content_type);
}

void HttpResponder::SendFile(const std::filesystem::path& path, std::string_view content_type) {
  connection_->response().file = path;
  Send(200, content_type);
}

std::string_view HttpReason(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Payload Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (IsUnreserved(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

std::optional<std::string> QueryParameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (PercentDecode(pair.substr(0, equals)) != name) continue;
    std::string value(pair.substr(std::min(pair.size(), equals + 1)));
    for (char& c : value)
      if (c == '+') c = ' ';
    return PercentDecode(value);
  }
  return std::nullopt;
}

}  // namespace headrace::net
