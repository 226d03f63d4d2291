#include "headrace/net/http_connection.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "headrace/base/files.h"
#include "headrace/net/access_log.h"

namespace headrace::net {
namespace {

constexpr int64_t kLingerMs = 2000;
constexpr int64_t kTrimAfterMs = 5000;
constexpr size_t kKeptInflated = 256 << 10;

int64_t Millis(Duration duration) { return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count(); }

std::string ErrorJson(std::string_view message) {
  std::string out = R"({"error":")";
  for (const char c : message)
    if (c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20) out += c;
  return out + "\"}";
}

}  // namespace

HttpConnection::HttpConnection(std::shared_ptr<ConnectionLoop> loop, std::shared_ptr<const HttpShared> shared, int fd,
                               std::string peer, std::shared_ptr<TlsContext> tls)
    : loop_(std::move(loop)),
      shared_(std::move(shared)),
      options_(shared_->options),
      transport_(fd, std::move(tls)),
      peer_(std::move(peer)),
      inflated_lease_(options_.inflated) {}

HttpConnection::~HttpConnection() { DropSpool(); }

Status HttpConnection::Start() {
  Touch();
  interest_ = EPOLLIN;
  HR_RETURN_IF_ERROR(loop_->events().Add(transport_.fd(), interest_, this));
  if (!transport_.tls()) state_ = State::kHead;
  return OkStatus();
}

void HttpConnection::Touch() { since_ms_ = loop_->events().now_ms(); }

void HttpConnection::SetInterest(uint32_t events) {
  if (interest_ == events) return;
  interest_ = events;
  loop_->events().Modify(transport_.fd(), events, this);
}

void HttpConnection::OnIo(uint32_t events) {
  switch (state_) {
    case State::kHandshake: return ContinueHandshake();
    case State::kHead:
    case State::kBody: return ReadMore();
    case State::kHandling:
      if (events & (EPOLLHUP | EPOLLERR)) return Close();
      return SetInterest(0);  // the next request, or the client's half-close, waits for this answer
    case State::kWriting: return ContinueWriting();
    case State::kLingering: return Linger();
    case State::kClosed: return;
  }
}

void HttpConnection::ContinueHandshake() {
  switch (transport_.Handshake()) {
    case IoResult::kWantRead: return SetInterest(EPOLLIN);
    case IoResult::kWantWrite: return SetInterest(EPOLLOUT);
    case IoResult::kClosed: return Close();
    case IoResult::kDone: break;
  }
  SetInterest(EPOLLIN);
  client_subject_ = transport_.ClientSubject();
  state_ = State::kHead;
  Touch();
  ReadMore();
}

void HttpConnection::ReadMore() {
  while (state_ == State::kHead || state_ == State::kBody) {
    const std::span<char> room = ReadRoom();
    if (room.empty()) return Fail(400, "malformed request: a line of the chunked body is too long");
    size_t count = 0;
    switch (transport_.Read(room, &count)) {
      case IoResult::kWantRead: return;
      case IoResult::kWantWrite:
      case IoResult::kClosed: return Close();
      case IoResult::kDone: break;
    }
    const bool filled = count == room.size();
    Received(count);
    // A short read has emptied a plain socket; epoll tells when there is more.
    if (!filled && !transport_.tls()) return;
  }
}

// A step of the request under way, and of those that have come behind it.
void HttpConnection::Advance() {
  while (state_ == State::kHead || state_ == State::kBody) {
    if (state_ == State::kHead && !ParseHead()) return;
    if (state_ == State::kBody && !ContinueBody()) return;
    Dispatch();
  }
}

void HttpConnection::Dispatch() {
  state_ = State::kHandling;
  responder_out_ = true;
  dispatching_ = true;
  request_.arrived_ = loop_->events().now();
  BeginTrace();
  shared_->handler->Handle(request_, HttpResponder(this));
  dispatching_ = false;
}

void HttpConnection::BeginTrace() {
  trace_.trace_id.clear();
  parent_.reset();
  request_.trace_id_ = {};
  if (const auto header = request_.header("traceparent")) parent_ = TraceContext::Parse(*header);
  if (!parent_ && options_.access_log == nullptr) return;
  trace_ = parent_ ? parent_->Child() : TraceContext::Start();
  request_.trace_id_ = trace_.trace_id;
  dispatched_ = std::chrono::steady_clock::now();
}

void HttpConnection::LogAccess() {
  if (options_.access_log == nullptr || trace_.trace_id.empty()) return;
  options_.access_log->Record({.protocol = "http",
                               .method = request_.method(),
                               .target = request_.target(),
                               .status = response_.status,
                               .request_bytes = std::max(body_length_, request_.body().size()),
                               .response_bytes = response_.body_bytes(),
                               .duration = std::chrono::steady_clock::now() - dispatched_,
                               .peer = peer_,
                               .client = TextOf(request_.client()),
                               .client_subject = client_subject_,
                               .parent = parent_,
                               .trace = trace_});
}

void HttpConnection::Complete() {
  const std::shared_ptr<ConnectionLoop> loop = loop_;
  if (loop->events().InLoop()) return WriteResponse();
  if (!loop->events().Post(this)) delete this;
}

void HttpConnection::Resume() {
  Advance();
  if (transport_.tls()) ReadMore();
}

void HttpConnection::WriteResponse() {
  responder_out_ = false;
  if (state_ == State::kClosed) {
    if (std::exchange(orphan_, false)) loop_->Retire(this);
    return;
  }
  if (loop_->draining()) keep_alive_ = false;
  response_.close |= !keep_alive_;
  keep_alive_ = !response_.close;
  if (!trace_.trace_id.empty()) response_.headers.append("traceparent: ").append(trace_.ToString()).append("\r\n");
  response_.Compose(request_, parser_ ? parser_->version() : 11, loop_->date());
  DropSpool();  // before the client learns that its upload has been dealt with
  ContinueWriting();
}

void HttpConnection::ContinueWriting() {
  state_ = State::kWriting;
  Touch();
  switch (response_.Continue(transport_)) {
    case IoResult::kDone: return ResponseWritten();
    case IoResult::kWantWrite: return SetInterest(EPOLLOUT);
    case IoResult::kWantRead: return SetInterest(EPOLLIN);
    case IoResult::kClosed: return Close();
  }
}

void HttpConnection::ResponseWritten() {
  const bool unread = body_kind_ != BodyKind::kNone && !keep_alive_;
  LogAccess();
  trace_.trace_id.clear();
  NextRequest();
  if (!keep_alive_) {
    if (!unread) return Close();
    transport_.ShutdownWrite();
    state_ = State::kLingering;
    SetInterest(EPOLLIN);
    return;
  }
  state_ = State::kHead;
  SetInterest(EPOLLIN);
  if (dispatching_) return;
  // Not within Advance: another connection's handler may stand below on the stack, so the rest waits its turn.
  if (begin_ < end_ || transport_.tls()) loop_->Again(this);
}

void HttpConnection::NextRequest() {
  Touch();
  response_.Reset();
  parser_.reset();
  DropSpool();
  if (inflated_.capacity() > kKeptInflated) std::string().swap(inflated_);
  inflated_lease_.Release();
  if (body_kind_ == BodyKind::kInPlace) begin_ += body_expected_;
  if (stream_begin_ < stream_end_) {
    input_.Swap(stream_);
    begin_ = stream_begin_;
    end_ = stream_end_;
  }
  stream_begin_ = stream_end_ = 0;
  scanned_ = 0;
  body_kind_ = BodyKind::kNone;
  body_length_ = body_expected_ = 0;
}

// Without a request that could be answered in order: says why, and takes no more.
void HttpConnection::Fail(int status, std::string_view message) {
  keep_alive_ = false;
  body_kind_ = BodyKind::kStreamed;  // of which something may be unread
  if (!parser_) request_ = HttpRequest();
  BeginTrace();
  response_.status = status;
  response_.content_type = "application/json";
  response_.body = ErrorJson(message);
  begin_ = end_;
  WriteResponse();
}

// A close with unread bytes would reset the connection and could lose the answer on its way.
void HttpConnection::Linger() {
  input_.Reserve(16 << 10);
  size_t count = 0;
  const auto io = transport_.Read({input_.data(), input_.capacity()}, &count);
  if (io == IoResult::kClosed || io == IoResult::kWantWrite) Close();
}

void HttpConnection::OnTick() {
  const int64_t age = loop_->events().now_ms() - since_ms_;
  const bool idle = state_ == State::kHead && begin_ == end_;
  switch (state_) {
    case State::kHandshake:
      if (age > Millis(options_.header_timeout)) Close();
      break;
    case State::kHead:
      if (idle && age > Millis(options_.idle_timeout)) return Close();
      if (!idle && age > Millis(options_.header_timeout)) return Fail(408, "the request's head took too long");
      break;
    case State::kBody:
      if (age > Millis(options_.body_timeout)) return Fail(408, "the request's body took too long");
      break;
    case State::kWriting:
      if (age > Millis(options_.body_timeout)) Close();
      break;
    case State::kLingering:
      if (age > kLingerMs) Close();
      break;
    case State::kHandling:
    case State::kClosed: break;
  }
  if (!idle || age < kTrimAfterMs) return;
  input_.Free();
  body_.Free();
  stream_.Free();
  std::string().swap(inflated_);
  begin_ = end_ = 0;
}

void HttpConnection::BeginDrain() {
  if (state_ == State::kHandshake || state_ == State::kLingering) return Close();
  if (state_ != State::kHead || begin_ < end_) return;
  ReadMore();  // a request that is already here gets its answer
  if (state_ == State::kHead && begin_ == end_) Close();
}

void HttpConnection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  loop_->events().Remove(transport_.fd());
  transport_.Close();
  loop_->Retire(this);
}

void HttpConnection::DropSpool() {
  if (spool_ >= 0) ::close(std::exchange(spool_, -1));
  if (request_.body_file_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove(request_.body_file_, ignored);
  request_.body_file_.clear();
}

bool HttpConnection::OpenSpool(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  request_.body_file_ = folder / ("upload-" + NewUuid());
  spool_ = open(request_.body_file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  return spool_ >= 0;
}

}  // namespace headrace::net
