// Beast's HTTP/1 grammar without its containers: the head as views into the connection's buffer, chunks to a sink.
#pragma once
#include <boost/beast/http/basic_parser.hpp>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/net/http.h"

namespace headrace::net {

class RequestParser : public boost::beast::http::basic_parser<true> {
 public:
  // Takes decoded chunks; false when they are more than the limit.
  class Sink {
   public:
    virtual bool TakeBody(std::string_view bytes) = 0;

   protected:
    ~Sink() = default;
  };

  // `headers` and `folded` are cleared and filled; all must outlive the parser.
  RequestParser(std::vector<HttpHeader>* headers, std::deque<std::string>* folded, Sink* sink);

  // `head` is a whole head with its empty line. kInvalidArgument when malformed, kUnimplemented for a Transfer-Encoding
  // other than "chunked". Afterwards method, target and headers are views into `head`.
  Status ParseHead(std::string_view head);
  // Decodes chunks; returns the bytes used, 0 when more are needed. is_done() says whether the last chunk was among
  // them. kInvalidArgument when malformed, kResourceExhausted when the sink refused.
  Result<size_t> ParseChunks(std::string_view bytes);

  std::string_view method() const { return method_; }
  std::string_view target() const { return target_; }
  int version() const { return version_; }  // 10 or 11
  bool expects_continue() const { return expects_continue_; }
  std::string_view content_encoding() const { return content_encoding_; }

 private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;
  void on_request_impl(boost::beast::http::verb, string_view method, string_view target, int version,
                       error_code&) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field field, string_view name, string_view value, error_code&) override;
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<uint64_t> const&, error_code&) override {}
  size_t on_body_impl(string_view bytes, error_code& error) override;
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view bytes, error_code& error) override;
  void on_finish_impl(error_code&) override {}

  std::vector<HttpHeader>& headers_;
  std::deque<std::string>& folded_;
  Sink* const sink_;
  std::string_view head_;  // while it is parsed
  std::string_view method_, target_, content_encoding_;
  int version_ = 11;
  bool expects_continue_ = false;
  bool unknown_coding_ = false;
};

}  // namespace headrace::net
