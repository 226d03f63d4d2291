#include "headrace/net/grpc_stream.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "headrace/net/grpc_connection.h"
#include "headrace/net/http.h"

namespace headrace::net {
namespace {

constexpr size_t kKeptBytes = 1 << 20;

// "100m": at most eight digits and a unit. nullopt when malformed.
std::optional<Duration> ParseTimeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  int64_t amount = 0;
  const std::string_view digits = text.substr(0, text.size() - 1);
  if (const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), amount);
      error != std::errc() || end != digits.data() + digits.size() || amount < 0)
    return std::nullopt;
  switch (text.back()) {
    case 'H': return std::chrono::hours(amount);
    case 'M': return std::chrono::minutes(amount);
    case 'S': return std::chrono::seconds(amount);
    case 'm': return std::chrono::milliseconds(amount);
    case 'u': return std::chrono::microseconds(amount);
    case 'n': return std::chrono::nanoseconds(amount);
    default: return std::nullopt;
  }
}

Deadline DeadlineAfter(Duration timeout) {
  const Deadline now = std::chrono::steady_clock::now();
  return timeout < Deadline::max() - now ? now + timeout : Deadline::max();
}

}  // namespace

size_t GrpcOutgoing::size() const {
  size_t total = body.size();
  for (const auto& [bytes, owner] : appended) total += bytes.size();
  return total;
}

GrpcStream::~GrpcStream() {
  if (output_) output_->Detach();
}

void GrpcStream::Open(GrpcConnection* connection, int32_t id) {
  connection_ = connection;
  id_ = id;
  peer_ = connection->peer();
  client_subject_ = connection->client_subject();
}

void GrpcStream::AddHeader(std::string_view name, std::string_view value) {
  if (headers_done_) return;  // trailers say nothing that a server needs
  headers_.push_back({header_text_.size(), name.size(), header_text_.size() + name.size(), value.size()});
  header_text_.append(name).append(value);
}

std::optional<std::string_view> GrpcStream::metadata(std::string_view name) const {
  const std::string_view text = header_text_;
  for (const Header& header : headers_)
    if (text.substr(header.name, header.name_length) == name) return text.substr(header.value, header.value_length);
  return std::nullopt;
}

Status GrpcStream::HeadersDone(const GrpcServices& services, size_t max_message_bytes, bool logged) {
  headers_done_ = true;
  max_message_bytes_ = max_message_bytes;
  if (const auto header = metadata("traceparent")) parent_ = TraceContext::Parse(*header);
  if (parent_ || logged) {
    trace_ = parent_ ? parent_->Child() : TraceContext::Start();
    started_ = std::chrono::steady_clock::now();
  }
  const std::string_view path = metadata(":path").value_or("");
  method_ = services.Find(path);
  if (method_ == nullptr) return Unimplemented("unknown method {}", path);
  if (const auto timeout = metadata("grpc-timeout")) {
    const auto duration = ParseTimeout(*timeout);
    if (!duration)
      return InvalidArgument("grpc-timeout \"{}\": expected up to 8 digits and a unit of HMSmun", *timeout);
    deadline_ = DeadlineAfter(*duration);
  }
  if (const auto encoding = metadata("grpc-encoding"); encoding && *encoding != "identity") {
    const auto parsed = ParseEncoding(*encoding);
    if (!parsed) return Unimplemented("grpc-encoding \"{}\": expected identity, gzip or deflate", *encoding);
    encoding_ = *parsed;
  }
  if (method_->unary) return OkStatus();
  output_ = std::make_shared<GrpcStreamOutput>(loop_, this);
  reader_ = method_->stream(Opening(), GrpcWriter(output_));
  return OkStatus();
}

GrpcOpening GrpcStream::Opening() const {
  GrpcOpening opening{.metadata = {}, .deadline = deadline_, .trace_id = trace_.trace_id};
  for (const Header& header : headers_)
    opening.metadata.emplace_back(header_text_.substr(header.name, header.name_length),
                                  header_text_.substr(header.value, header.value_length));
  return opening;
}

Status GrpcStream::Reserve(size_t length) {
  if (length > max_message_bytes_)
    return ResourceExhausted("a message of {} bytes: at most {} are taken", length, max_message_bytes_);
  message_length_ = length;
  message_.Reserve(length + kBodyPadding);
  return OkStatus();
}

Status GrpcStream::AddData(std::string_view bytes) {
  while (!bytes.empty()) {
    if (prefix_got_ < sizeof prefix_) {
      const size_t take = std::min(bytes.size(), sizeof prefix_ - prefix_got_);
      std::memcpy(prefix_ + prefix_got_, bytes.data(), take);
      prefix_got_ += take;
      bytes.remove_prefix(take);
      if (prefix_got_ < sizeof prefix_) return OkStatus();
      const size_t length = size_t{prefix_[1]} << 24 | size_t{prefix_[2]} << 16 | size_t{prefix_[3]} << 8 | prefix_[4];
      HR_RETURN_IF_ERROR(Reserve(length));
    }
    const size_t take = std::min(bytes.size(), message_length_ - message_got_);
    std::memcpy(message_.data() + message_got_, bytes.data(), take);
    message_got_ += take;
    bytes.remove_prefix(take);
    if (message_got_ == message_length_) HR_RETURN_IF_ERROR(MessageDone());
  }
  return OkStatus();
}

Status GrpcStream::MessageDone() {
  if (++messages_ > 1 && !reader_) return Internal("a unary call carried more than one message");
  request_ = {message_.data(), message_length_};
  received_bytes_ += message_length_;
  if (prefix_[0] > 1) return Internal("a message's compressed flag is {}", prefix_[0]);
  if (prefix_[0] == 1) {
    if (encoding_ == Encoding::kIdentity) return Internal("a compressed message without grpc-encoding");
    inflated_.clear();
    if (!inflated_lease_) inflated_lease_.emplace(connection_->inflated());
    const Status inflated =
        Inflate(encoding_, {message_.data(), message_length_}, max_message_bytes_, &inflated_, &*inflated_lease_);
    if (inflated.code() == Code::kUnavailable) return Status(Code::kResourceExhausted, inflated.message());
    HR_RETURN_IF_ERROR(inflated);
    const size_t length = inflated_.size();
    inflated_.append(kBodyPadding, '\0');
    request_ = {inflated_.data(), length};
  }
  prefix_got_ = message_got_ = 0;
  if (const GrpcGuard& guard = connection_->guard())
    HR_RETURN_IF_ERROR(guard({.path = metadata(":path").value_or(""),
                              .message = request_,
                              .authorization = metadata("authorization"),
                              .client_subject = client_subject_,
                              .client = &client_}));
  if (!reader_) return OkStatus();
  reader_->OnMessage(request_, client_);
  request_ = {};
  DropInflated();
  return OkStatus();
}

void GrpcStream::DropInflated() {
  if (inflated_.capacity() > kKeptBytes) std::string().swap(inflated_);
  inflated_lease_.reset();
}

Status GrpcStream::InputDone() {
  if (prefix_got_ != 0) return Internal("the call ended within a message");
  if (reader_) {
    reader_->OnHalfClose();
    return OkStatus();
  }
  if (messages_ == 0) return Internal("a unary call carried no message");
  Dispatch();
  return OkStatus();
}

void GrpcStream::Dispatch() {
  call_out_ = true;
  arrived_ = loop_->events().now();
  outgoing.emplace_back();
  method_->unary(GrpcCall(this));
}

void GrpcStream::Complete(const Status& final_status) {
  status = final_status;
  const std::shared_ptr<ConnectionLoop> loop = loop_;
  if (loop->events().InLoop()) return RunTask();
  if (!loop->events().Post(this)) delete this;
}

void GrpcStream::RunTask() {
  call_out_ = false;
  if (orphan_) {
    delete this;
    return;
  }
  finished = true;
  if (!status.ok()) outgoing.clear();
  answered_ = true;
  connection_->Respond(this);
}

void GrpcStream::Send(std::string message) {
  outgoing.emplace_back();
  outgoing.back().body = std::move(message);
  connection_->Respond(this);
}

void GrpcStream::End(const Status& final_status) {
  if (finished) return;
  status = final_status;
  finished = answered_ = true;
  connection_->Respond(this);
}

std::string GrpcStream::peer() const { return peer_; }
std::string_view GrpcStream::client_subject() const { return client_subject_; }

bool GrpcStream::Close() {
  if (!finished) cancelled_.store(true, std::memory_order_relaxed);
  if (output_) output_->Detach();
  output_.reset();
  reader_.reset();
  connection_ = nullptr;
  if (call_out_) {
    orphan_ = true;
    return false;
  }
  Reset();
  return true;
}

void GrpcStream::Reset() {
  header_text_.clear();
  headers_.clear();
  method_ = nullptr;
  deadline_ = Deadline::max();
  encoding_ = Encoding::kIdentity;
  headers_done_ = answered_ = false;
  prefix_got_ = message_got_ = message_length_ = messages_ = 0;
  request_ = {};
  if (message_.capacity() > kKeptBytes) message_.Free();
  DropInflated();
  cancelled_.store(false, std::memory_order_relaxed);
  outgoing.clear();
  parent_.reset();
  trace_.trace_id.clear();
  client_.reset();
  received_bytes_ = sent_bytes = 0;
  outgoing_at = 0;
  status = OkStatus();
  finished = refused = deferred = responded = false;
  response_metadata.clear();
}

void GrpcStreamOutput::Write(std::string message) {
  {
    MutexLock lock(mutex_);
    if (status_) return;
    messages_.push_back(std::move(message));
  }
  Wake();
}

void GrpcStreamOutput::Finish(const Status& status) {
  {
    MutexLock lock(mutex_);
    if (status_) return;
    status_ = status;
  }
  Wake();
}

void GrpcStreamOutput::Wake() {
  {
    MutexLock lock(mutex_);
    if (std::exchange(posted_, true)) return;
  }
  loop_->Run([self = shared_from_this()] { self->Drain(); });
}

void GrpcStreamOutput::Drain() {
  std::deque<std::string> messages;
  std::optional<Status> status;
  {
    MutexLock lock(mutex_);
    posted_ = false;
    messages.swap(messages_);
    status = status_;
  }
  // Sending may close the connection and with it the stream.
  for (auto& message : messages)
    if (stream_ != nullptr) stream_->Send(std::move(message));
  if (status && stream_ != nullptr) stream_->End(*status);
}

}  // namespace headrace::net
