#include "headrace/net/grpc_connection.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "headrace/net/access_log.h"

namespace headrace::net {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kMaxQueued = 4 << 20;
constexpr size_t kCopyBelow = 4 << 10;  // shorter pieces are copied beside their frame's head
constexpr size_t kMaxFrame = 1 << 20;   // of DATA that we send, when the peer takes it
constexpr size_t kPrefix = 5;           // of a gRPC message: a flag and its length
constexpr uint32_t kStreamWindow = 4 << 20;
constexpr int32_t kConnectionWindow = 64 << 20;
constexpr size_t kSpareStreams = 64;

nghttp2_nv Field(std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// grpc-message: percent-encoded but for printable ASCII.
std::string EncodeMessage(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= 0x20 && c <= 0x7e && c != '%')
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

bool IsGrpc(std::string_view content_type) {
  constexpr std::string_view kType = "application/grpc";
  if (!content_type.starts_with(kType)) return false;
  const std::string_view rest = content_type.substr(kType.size());
  return rest.empty() || rest.front() == '+' || rest.front() == ';';
}

struct SessionDelete {
  void operator()(nghttp2_session_callbacks* callbacks) const { nghttp2_session_callbacks_del(callbacks); }
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

}  // namespace

// What nghttp2 calls, with the connection as its user data.
struct GrpcCallbacks {
  static GrpcConnection* Of(void* user) { return static_cast<GrpcConnection*>(user); }
  static GrpcStream* StreamOf(nghttp2_session* session, int32_t id) {
    return static_cast<GrpcStream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    GrpcStream* stream = Of(user)->OpenStream(frame->hd.stream_id);
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
  }

  static int OnHeader(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name, size_t name_length,
                      const uint8_t* value, size_t value_length, uint8_t, void*) {
    if (GrpcStream* stream = StreamOf(session, frame->hd.stream_id))
      stream->AddHeader({reinterpret_cast<const char*>(name), name_length},
                        {reinterpret_cast<const char*>(value), value_length});
    return 0;
  }

  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    GrpcStream* stream = StreamOf(session, frame->hd.stream_id);
    if (stream == nullptr || stream->answered()) return 0;
    GrpcConnection* connection = Of(user);
    Status status;
    if (!stream->headers_done()) {
      if (stream->metadata(":method") != "POST" || !IsGrpc(stream->metadata("content-type").value_or("")))
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
      status = stream->HeadersDone(connection->services_, connection->options_.max_message_bytes,
                                   connection->options_.access_log != nullptr);
    }
    if (status.ok() && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) status = stream->InputDone();
    if (!status.ok()) connection->Refuse(stream, status);
    return 0;
  }

  static int OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t length, void* user) {
    GrpcStream* stream = StreamOf(session, id);
    if (stream == nullptr || stream->answered()) return 0;
    const Status status = stream->AddData({reinterpret_cast<const char*>(data), length});
    if (!status.ok()) Of(user)->Refuse(stream, status);
    return 0;
  }

  static int OnStreamClose(nghttp2_session* session, int32_t id, uint32_t, void* user) {
    if (GrpcStream* stream = StreamOf(session, id)) Of(user)->CloseStream(stream);
    return 0;
  }

  static int OnSent(nghttp2_session* session, const nghttp2_frame* frame, void*) {
    if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    const GrpcStream* stream = StreamOf(session, frame->hd.stream_id);
    if (stream == nullptr || !stream->refused) return 0;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
  }

  // How many bytes of the stream's messages the next DATA frame carries.
  static ssize_t ReadData(nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                          nghttp2_data_source* source, void* user) {
    auto* stream = static_cast<GrpcStream*>(source->ptr);
    size_t left = 0;
    for (const GrpcOutgoing& message : stream->outgoing) left += kPrefix + message.size();
    left -= stream->outgoing_at;
    const size_t take = std::min(left, length);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (take < left) return static_cast<ssize_t>(take);
    if (stream->finished) {
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      Of(user)->SubmitTrailers(stream);
    } else if (take == 0) {
      stream->deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(take);
  }

  static int SendData(nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t length, nghttp2_data_source* source,
                      void* user) {
    constexpr size_t kFrameHead = 9;
    Of(user)->QueueCopy(head, kFrameHead);
    Of(user)->QueueMessageBytes(static_cast<GrpcStream*>(source->ptr), length);
    return 0;
  }

  static ssize_t FrameLength(nghttp2_session*, uint8_t, int32_t, int32_t connection_window, int32_t stream_window,
                             uint32_t max_frame, void*) {
    return std::min<ssize_t>({connection_window, stream_window, static_cast<ssize_t>(max_frame), ssize_t{kMaxFrame}});
  }
};

GrpcConnection::GrpcConnection(std::shared_ptr<ConnectionLoop> loop, int fd, std::string peer,
                               std::shared_ptr<TlsContext> tls, const GrpcServices* services,
                               GrpcConnectionOptions options)
    : loop_(std::move(loop)),
      services_(*services),
      options_(options),
      transport_(fd, std::move(tls)),
      peer_(std::move(peer)) {}

GrpcConnection::~GrpcConnection() { nghttp2_session_del(session_); }

Status GrpcConnection::Start() {
  since_ms_ = loop_->events().now_ms();
  interest_ = EPOLLIN;
  HR_RETURN_IF_ERROR(OpenSession());
  HR_RETURN_IF_ERROR(loop_->events().Add(transport_.fd(), interest_, this));
  if (!transport_.tls()) state_ = State::kOpen;
  return OkStatus();
}

Status GrpcConnection::OpenSession() {
  nghttp2_session_callbacks* made = nullptr;
  if (nghttp2_session_callbacks_new(&made) != 0) return ResourceExhausted("nghttp2: out of memory");
  const std::unique_ptr<nghttp2_session_callbacks, SessionDelete> callbacks(made);
  nghttp2_session_callbacks_set_on_begin_headers_callback(made, GrpcCallbacks::OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(made, GrpcCallbacks::OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(made, GrpcCallbacks::OnFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, GrpcCallbacks::OnData);
  nghttp2_session_callbacks_set_on_stream_close_callback(made, GrpcCallbacks::OnStreamClose);
  nghttp2_session_callbacks_set_on_frame_send_callback(made, GrpcCallbacks::OnSent);
  nghttp2_session_callbacks_set_send_data_callback(made, GrpcCallbacks::SendData);
  nghttp2_session_callbacks_set_data_source_read_length_callback(made, GrpcCallbacks::FrameLength);
  nghttp2_option* option = nullptr;
  if (nghttp2_option_new(&option) != 0) return ResourceExhausted("nghttp2: out of memory");
  const std::unique_ptr<nghttp2_option, SessionDelete> options(option);
  nghttp2_option_set_no_closed_streams(option, 1);
  if (nghttp2_session_server_new2(&session_, made, this, option) != 0)
    return ResourceExhausted("nghttp2: out of memory");
  const std::array<nghttp2_settings_entry, 4> settings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options_.max_concurrent_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kMaxFrame},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 64 << 10},
  }};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  return OkStatus();
}

void GrpcConnection::SetInterest(uint32_t events) {
  if (interest_ == events) return;
  interest_ = events;
  loop_->events().Modify(transport_.fd(), events, this);
}

void GrpcConnection::OnIo(uint32_t events) {
  if (state_ == State::kHandshake) return ContinueHandshake();
  if (state_ == State::kOpen && (events & EPOLLOUT)) Flush();
  if (state_ == State::kOpen && (events & ~uint32_t{EPOLLOUT})) ReadMore();
}

void GrpcConnection::ContinueHandshake() {
  switch (transport_.Handshake()) {
    case IoResult::kWantRead: return SetInterest(EPOLLIN);
    case IoResult::kWantWrite: return SetInterest(EPOLLOUT);
    case IoResult::kClosed: return Close();
    case IoResult::kDone: break;
  }
  SetInterest(EPOLLIN);
  client_subject_ = transport_.ClientSubject();
  state_ = State::kOpen;
  ReadMore();
}

void GrpcConnection::ReadMore() {
  thread_local std::array<char, kReadBytes> buffer;
  receiving_ = true;
  bool more = true;
  while (more && state_ == State::kOpen) {
    size_t count = 0;
    const IoResult io = transport_.Read(buffer, &count);
    if (io == IoResult::kClosed) {
      receiving_ = false;
      return Close();
    }
    if (io != IoResult::kDone) break;
    since_ms_ = loop_->events().now_ms();
    const ssize_t used = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(buffer.data()), count);
    if (used < 0) {
      receiving_ = false;
      return Close();
    }
    more = count == buffer.size() || transport_.tls();
  }
  receiving_ = false;
  Flush();
}

void GrpcConnection::QueueCopy(const void* data, size_t length) {
  small_.append(static_cast<const char*>(data), length);
  queued_ += length;
  if (!pieces_.empty() && pieces_.size() > next_piece_ && pieces_.back().external == nullptr)
    pieces_.back().length += length;
  else
    pieces_.push_back({nullptr, length});
}

// The next `length` bytes of the stream's messages: prefix, body, appended pieces.
void GrpcConnection::QueueMessageBytes(GrpcStream* stream, size_t length) {
  const auto queue = [&](const char* data, size_t size) {
    if (size < kCopyBelow) return QueueCopy(data, size);
    pieces_.push_back({data, size});
    queued_ += size;
  };
  while (length > 0) {
    GrpcOutgoing& message = stream->outgoing.front();
    const size_t size = message.size();
    size_t start = 0;  // of the piece within the message
    const auto piece = [&](const char* data, size_t piece_size, bool copy) {
      const size_t skip = std::clamp(stream->outgoing_at, start, start + piece_size) - start;
      const size_t take = std::min(piece_size - skip, length);
      start += piece_size;
      if (take == 0) return;
      if (copy)
        QueueCopy(data + skip, take);
      else
        queue(data + skip, take);
      stream->outgoing_at += take;
      length -= take;
    };
    const std::array<char, kPrefix> prefix = {0, static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                                              static_cast<char>(size >> 8), static_cast<char>(size)};
    piece(prefix.data(), prefix.size(), true);
    piece(message.body.data(), message.body.size(), message.body.size() < kCopyBelow);
    for (const auto& [bytes, owner] : message.appended) piece(bytes.data(), bytes.size(), false);
    if (stream->outgoing_at == kPrefix + size) PopOutgoing(stream);
  }
}

void GrpcConnection::PopOutgoing(GrpcStream* stream) {
  GrpcOutgoing& message = stream->outgoing.front();
  stream->outgoing_at = 0;
  stream->sent_bytes += message.size();
  if (message.size() >= kCopyBelow) kept_.push_back(std::move(message));
  stream->outgoing.pop_front();
}

bool GrpcConnection::FillQueue() {
  while (queued_ < kMaxQueued) {
    const uint8_t* data = nullptr;
    const ssize_t length = nghttp2_session_mem_send(session_, &data);
    if (length < 0) return false;
    if (length == 0) break;
    QueueCopy(data, static_cast<size_t>(length));
  }
  return true;
}

IoResult GrpcConnection::WriteQueue() {
  std::array<iovec, 32> vectors;
  while (next_piece_ < pieces_.size()) {
    size_t count = 0, at = small_at_;
    for (size_t i = next_piece_; i < pieces_.size() && count < vectors.size(); i++, count++) {
      const Piece& piece = pieces_[i];
      vectors[count] = {const_cast<char*>(piece.external ? piece.external : small_.data() + at), piece.length};
      if (piece.external == nullptr) at += piece.length;
    }
    size_t written = 0;
    const IoResult io = transport_.Write({vectors.data(), count}, &written);
    if (io != IoResult::kDone) return io;
    queued_ -= written;
    while (written > 0) {
      Piece& piece = pieces_[next_piece_];
      const size_t take = std::min(piece.length, written);
      if (piece.external)
        piece.external += take;
      else
        small_at_ += take;
      piece.length -= take;
      written -= take;
      if (piece.length == 0) next_piece_++;
    }
  }
  pieces_.clear();
  small_.clear();
  kept_.clear();
  next_piece_ = small_at_ = 0;
  return IoResult::kDone;
}

void GrpcConnection::Flush() {
  if (state_ != State::kOpen) return;
  for (;;) {
    if (!FillQueue()) return Close();
    if (queued_ == 0) break;
    switch (WriteQueue()) {
      case IoResult::kDone: break;
      case IoResult::kClosed: return Close();
      default: return SetInterest(EPOLLIN | EPOLLOUT);
    }
  }
  SetInterest(EPOLLIN);
  const bool over = !nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_);
  if (over || (draining_ && streams_.empty())) Close();
}

GrpcStream* GrpcConnection::OpenStream(int32_t id) {
  std::unique_ptr<GrpcStream> stream;
  if (spare_.empty()) {
    stream = std::make_unique<GrpcStream>(loop_);
  } else {
    stream = std::move(spare_.back());
    spare_.pop_back();
  }
  stream->Open(this, id);
  return *streams_.insert(stream.release()).first;
}

void GrpcConnection::LogAccess(const GrpcStream& stream) {
  if (options_.access_log == nullptr || stream.trace().trace_id.empty()) return;
  options_.access_log->Record({.protocol = "grpc",
                               .method = {},
                               .target = stream.metadata(":path").value_or(""),
                               .status = static_cast<int>(stream.finished ? stream.status.code() : Code::kCancelled),
                               .request_bytes = stream.received_bytes(),
                               .response_bytes = stream.sent_bytes,
                               .duration = std::chrono::steady_clock::now() - stream.started(),
                               .peer = peer_,
                               .client = TextOf(stream.client()),
                               .client_subject = client_subject_,
                               .parent = stream.parent_trace(),
                               .trace = stream.trace()});
}

void GrpcConnection::CloseStream(GrpcStream* stream) {
  streams_.erase(stream);
  LogAccess(*stream);
  for (auto& message : stream->outgoing)
    if (message.size() >= kCopyBelow && stream->outgoing_at > 0 && !stream->call_out())
      kept_.push_back(std::move(message));
  if (!stream->Close()) return;  // its call is out: it frees itself
  std::unique_ptr<GrpcStream> owned(stream);
  if (spare_.size() < kSpareStreams) spare_.push_back(std::move(owned));
}

// An answer before the request has ended: once it is sent, the client is told to send no more (GrpcCallbacks::OnSent).
void GrpcConnection::Refuse(GrpcStream* stream, const Status& status) {
  stream->refused = true;
  stream->End(status);
}

void GrpcConnection::SubmitHeaders(GrpcStream* stream) {
  std::vector<nghttp2_nv> fields = {Field(":status", "200"), Field("content-type", "application/grpc"),
                                    Field("grpc-accept-encoding", "identity,deflate,gzip")};
  const std::string trace = stream->parent_trace() ? stream->trace().ToString() : std::string();
  if (!trace.empty()) fields.push_back(Field("traceparent", trace));
  for (const auto& [name, value] : stream->response_metadata) fields.push_back(Field(name, value));
  nghttp2_data_provider provider{};
  provider.source.ptr = stream;
  provider.read_callback = GrpcCallbacks::ReadData;
  nghttp2_submit_response(session_, stream->id(), fields.data(), fields.size(), &provider);
  stream->responded = true;
}

void GrpcConnection::SubmitTrailersOnly(GrpcStream* stream) {
  const std::string code = std::to_string(static_cast<int>(stream->status.code()));
  const std::string message = EncodeMessage(stream->status.message());
  const std::array<nghttp2_nv, 4> fields = {Field(":status", "200"), Field("content-type", "application/grpc"),
                                            Field("grpc-status", code), Field("grpc-message", message)};
  nghttp2_submit_response(session_, stream->id(), fields.data(), fields.size(), nullptr);
  stream->responded = true;
}

void GrpcConnection::SubmitTrailers(GrpcStream* stream) {
  const std::string code = std::to_string(static_cast<int>(stream->status.code()));
  const std::string message = EncodeMessage(stream->status.message());
  const std::array<nghttp2_nv, 2> fields = {Field("grpc-status", code), Field("grpc-message", message)};
  nghttp2_submit_trailer(session_, stream->id(), fields.data(), message.empty() ? 1 : 2);
}

void GrpcConnection::Respond(GrpcStream* stream) {
  if (!stream->responded) {
    if (stream->finished && !stream->status.ok() && stream->outgoing.empty())
      SubmitTrailersOnly(stream);
    else
      SubmitHeaders(stream);
  } else if (std::exchange(stream->deferred, false)) {
    nghttp2_session_resume_data(session_, stream->id());
  }
  if (receiving_ || std::exchange(resume_asked_, true)) return;
  loop_->Again(this);
}

void GrpcConnection::Resume() {
  resume_asked_ = false;
  Flush();
}

void GrpcConnection::OnTick() {
  const int64_t age = loop_->events().now_ms() - since_ms_;
  if (state_ == State::kHandshake &&
      age > std::chrono::duration_cast<std::chrono::milliseconds>(options_.handshake_timeout).count())
    Close();
}

void GrpcConnection::BeginDrain() {
  if (state_ != State::kOpen) return Close();
  draining_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  Flush();
}

void GrpcConnection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  while (!streams_.empty()) CloseStream(*streams_.begin());
  loop_->events().Remove(transport_.fd());
  transport_.Close();
  loop_->Retire(this);
}

}  // namespace headrace::net
