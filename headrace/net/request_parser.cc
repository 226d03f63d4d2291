#include "headrace/net/request_parser.h"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <functional>
#include <utility>

namespace headrace::net {

namespace http = boost::beast::http;

namespace {

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool Within(std::string_view inner, std::string_view outer) {
  return std::less_equal<>()(outer.data(), inner.data()) &&
         std::less_equal<>()(inner.data() + inner.size(), outer.data() + outer.size());
}

}  // namespace

RequestParser::RequestParser(std::vector<HttpHeader>* headers, std::deque<std::string>* folded, Sink* sink)
    : headers_(*headers), folded_(*folded), sink_(sink) {
  headers_.clear();
  folded_.clear();
  body_limit(boost::none);
  eager(false);
}

Status RequestParser::ParseHead(std::string_view head) {
  header_limit(static_cast<uint32_t>(head.size() + 1));
  head_ = head;
  error_code error;
  put(boost::asio::const_buffer(head.data(), head.size()), error);
  head_ = {};
  if (error) return InvalidArgument("malformed request: {}", error.message());
  if (!is_header_done()) return InvalidArgument("malformed request: the head is incomplete");
  if (unknown_coding_) return Unimplemented("Transfer-Encoding: only chunked is understood");
  return OkStatus();
}

Result<size_t> RequestParser::ParseChunks(std::string_view bytes) {
  eager(true);
  error_code error;
  const size_t used = put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error == http::error::body_limit) return std::unexpected(ResourceExhausted("the body is over its limit"));
  if (error && error != http::error::need_more)
    return std::unexpected(InvalidArgument("malformed chunk: {}", error.message()));
  return used;
}

void RequestParser::on_request_impl(http::verb, string_view method, string_view target, int version, error_code&) {
  method_ = View(method);
  target_ = View(target);
  version_ = version;
}

// Trailers come here too, and are dropped.
void RequestParser::on_field_impl(http::field field, string_view name, string_view value, error_code&) {
  if (head_.empty()) return;
  std::string_view text = View(value);
  if (!Within(text, head_)) text = folded_.emplace_back(text);  // Beast unfolds into memory that it takes back
  headers_.push_back({View(name), text});
  if (field == http::field::expect) {
    expects_continue_ = boost::beast::iequals(value, "100-continue");
  } else if (field == http::field::transfer_encoding) {
    unknown_coding_ |= !boost::beast::iequals(value, "chunked");
  } else if (field == http::field::content_encoding) {
    content_encoding_ = text;
  }
}

size_t RequestParser::on_body_impl(string_view bytes, error_code& error) {
  if (!sink_->TakeBody(View(bytes))) error = http::error::body_limit;
  return bytes.size();
}

size_t RequestParser::on_chunk_body_impl(uint64_t, string_view bytes, error_code& error) {
  if (!sink_->TakeBody(View(bytes))) error = http::error::body_limit;
  return bytes.size();
}

}  // namespace headrace::net
