// HttpConnection: from bytes to a whole request.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "headrace/net/compression.h"
#include "headrace/net/http_connection.h"

namespace headrace::net {
namespace {

constexpr size_t kInputBytes = 16 << 10;
constexpr size_t kStreamBytes = 64 << 10;
constexpr size_t kBodyAtOnce = 4 << 20;  // a longer body's memory grows as it arrives
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

// Where the next bytes go. Moves what is in input_ only while no head has been parsed, so that views stay valid.
std::span<char> HttpConnection::ReadRoom() {
  if (state_ == State::kBody && body_kind_ == BodyKind::kSized) {
    body_.Reserve(std::min(body_expected_, std::max(2 * body_length_, kBodyAtOnce)) + kBodyPadding);
    return {body_.data() + body_length_, std::min(body_expected_, body_.capacity() - kBodyPadding) - body_length_};
  }
  if (state_ == State::kBody && body_kind_ == BodyKind::kStreamed) {
    stream_.Reserve(kStreamBytes);
    if (stream_begin_ > 0) {
      std::memmove(stream_.data(), stream_.data() + stream_begin_, stream_end_ - stream_begin_);
      stream_end_ -= std::exchange(stream_begin_, 0);
    }
    return {stream_.data() + stream_end_, stream_.capacity() - stream_end_};
  }
  if (state_ == State::kHead) {
    if (begin_ == end_) begin_ = end_ = scanned_ = 0;
    if (input_.capacity() < end_ + kBodyPadding + 1024) {
      if (begin_ > 0) std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
      input_.Reserve(std::max(kInputBytes, 2 * end_));
    }
  }
  return {input_.data() + end_, input_.capacity() - kBodyPadding - end_};
}

void HttpConnection::Received(size_t count) {
  if (state_ == State::kHead && begin_ == end_) Touch();  // the request's first bytes
  if (state_ == State::kBody) Touch();
  if (state_ == State::kBody && body_kind_ == BodyKind::kSized) {
    body_length_ += count;
  } else if (state_ == State::kBody && body_kind_ == BodyKind::kStreamed) {
    stream_end_ += count;
  } else {
    end_ += count;
  }
  Advance();
}

bool HttpConnection::ParseHead() {
  while (scanned_ == 0 && end_ - begin_ >= 2 && std::memcmp(input_.data() + begin_, "\r\n", 2) == 0) begin_ += 2;
  const std::string_view unparsed(input_.data() + begin_, end_ - begin_);
  if (unparsed.empty()) return false;
  const auto first = static_cast<unsigned char>(unparsed.front() | 0x20);
  if ((first < 'a' || first > 'z') && unparsed.front() != '\r')
    return Fail(400, "malformed request: a method was expected"), false;
  const size_t at = unparsed.find(kHeadEnd, scanned_);
  const size_t length = at == unparsed.npos ? unparsed.size() : at + kHeadEnd.size();
  if (length > options_.max_header_bytes) return Fail(431, "the request's head is over its limit"), false;
  if (at == unparsed.npos) {
    scanned_ = unparsed.size() - std::min(unparsed.size(), kHeadEnd.size() - 1);
    return false;
  }
  parser_.emplace(&headers_, &folded_, static_cast<RequestParser::Sink*>(this));
  if (const Status status = parser_->ParseHead(unparsed.substr(0, length)); !status.ok()) {
    parser_.reset();
    return Fail(HttpStatus(status.code()), status.message()), false;
  }
  begin_ += length;
  return BeginBody();
}

bool HttpConnection::BeginBody() {
  keep_alive_ = parser_->keep_alive();
  request_.method_ = parser_->method();
  request_.target_ = parser_->target();
  request_.query_at_ = std::min(request_.target_.find('?'), request_.target_.size());
  request_.headers_ = headers_;
  request_.peer_ = peer_;
  request_.client_subject_ = client_subject_;
  request_.client_.reset();
  request_.body_ = {};
  const bool chunked = parser_->chunked();
  const uint64_t length = parser_->content_length().value_or(0);
  state_ = State::kBody;
  if (!chunked && length == 0) {
    body_kind_ = BodyKind::kNone;
    request_.body_ = {input_.data() + begin_, 0};
    return true;
  }
  const BodyPlan plan = shared_->handler->PlanBody(request_);
  body_limit_ = plan.max_bytes > 0 ? plan.max_bytes : options_.max_body_bytes;
  if (!chunked && length > body_limit_)
    return Fail(413, fmt::format("the request's body has {} bytes; at most {} are taken", length, body_limit_)), false;
  return PlaceBody(chunked, length, plan);
}

bool HttpConnection::PlaceBody(bool chunked, uint64_t length, const BodyPlan& plan) {
  body_length_ = 0;
  body_expected_ = length;
  chunked_ = chunked;
  const size_t here = std::min<size_t>(chunked ? end_ - begin_ : length, end_ - begin_);
  if (!plan.spool_into.empty() && !OpenSpool(plan.spool_into)) return Fail(507, "no room for the upload"), false;
  if (chunked || spool_ >= 0) {
    body_kind_ = BodyKind::kStreamed;
    stream_.Reserve(std::max(kStreamBytes, end_ - begin_));
    std::memcpy(stream_.data(), input_.data() + begin_, end_ - begin_);
    stream_begin_ = 0;
    stream_end_ = end_ - begin_;
    begin_ = end_;
  } else if (begin_ + length + kBodyPadding <= input_.capacity()) {
    body_kind_ = BodyKind::kInPlace;
  } else {
    body_kind_ = BodyKind::kSized;
    body_.Reserve(std::min(length, kBodyAtOnce) + kBodyPadding);
    std::memcpy(body_.data(), input_.data() + begin_, here);
    body_length_ = here;
    begin_ += here;
  }
  if (parser_->expects_continue() && parser_->version() >= 11 && here == 0) {
    size_t count = 0;
    const iovec line{const_cast<char*>(kContinue.data()), kContinue.size()};
    if (transport_.Write({&line, 1}, &count) != IoResult::kDone || count != kContinue.size()) return Close(), false;
  }
  return true;
}

bool HttpConnection::ContinueBody() {
  switch (body_kind_) {
    case BodyKind::kNone: return true;
    case BodyKind::kInPlace:
      if (end_ - begin_ < body_expected_) return false;
      request_.body_ = {input_.data() + begin_, body_expected_};
      break;
    case BodyKind::kSized:
      if (body_length_ < body_expected_) return false;
      request_.body_ = {body_.data(), body_length_};
      break;
    case BodyKind::kStreamed:
      if (!DecodeStream()) return false;
      if (spool_ >= 0) return true;
      body_.Reserve(body_length_ + kBodyPadding);
      request_.body_ = {body_.data(), body_length_};
      break;
  }
  return parser_->content_encoding().empty() || InflateBody();
}

bool HttpConnection::DecodeStream() {
  if (!chunked_) {
    const size_t take = std::min(body_expected_ - body_length_, stream_end_ - stream_begin_);
    const std::string_view bytes(stream_.data() + stream_begin_, take);
    stream_begin_ += take;
    if (!TakeBody(bytes)) return Fail(507, "no room for the upload"), false;
    return body_length_ == body_expected_;
  }
  while (!parser_->is_done()) {
    if (stream_begin_ == stream_end_) return false;
    const auto used = parser_->ParseChunks({stream_.data() + stream_begin_, stream_end_ - stream_begin_});
    if (!used) {
      const bool full = used.error().code() == Code::kResourceExhausted;
      return Fail(full ? 413 : 400, full ? "the request's body is over its limit" : used.error().message()), false;
    }
    stream_begin_ += *used;
    if (*used == 0) return false;
  }
  return true;
}

bool HttpConnection::TakeBody(std::string_view bytes) {
  if (bytes.size() > body_limit_ - body_length_) return false;
  if (spool_ >= 0) {
    if (!WriteAll(spool_, bytes)) return false;
  } else {
    const size_t needed = body_length_ + bytes.size() + kBodyPadding;
    if (needed > body_.capacity()) body_.Reserve(std::max(needed, 2 * body_.capacity()));
    std::memcpy(body_.data() + body_length_, bytes.data(), bytes.size());
  }
  body_length_ += bytes.size();
  return true;
}

bool HttpConnection::InflateBody() {
  const auto encoding = ParseEncoding(parser_->content_encoding());
  if (!encoding) return Fail(415, encoding.error().message()), false;
  if (*encoding == Encoding::kIdentity) return true;
  inflated_.clear();
  const Status status = Inflate(*encoding, request_.body_text(), body_limit_, &inflated_, &inflated_lease_);
  if (status.code() == Code::kUnavailable) return Fail(429, status.message()), false;
  if (!status.ok()) return Fail(status.code() == Code::kResourceExhausted ? 413 : 400, status.message()), false;
  const size_t size = inflated_.size();
  inflated_.resize(size + kBodyPadding);
  request_.body_ = {inflated_.data(), size};
  return true;
}

}  // namespace headrace::net
