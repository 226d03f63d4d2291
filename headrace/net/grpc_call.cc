#include "headrace/net/grpc_call.h"

#include <algorithm>

#include "headrace/net/grpc_stream.h"

namespace headrace::net {

GrpcCall& GrpcCall::operator=(GrpcCall&& other) noexcept {
  if (this == &other) return *this;
  if (stream_ != nullptr) Finish(Internal("the call was dropped"));
  stream_ = std::exchange(other.stream_, nullptr);
  return *this;
}

GrpcCall::~GrpcCall() {
  if (stream_ != nullptr) Finish(Internal("the call was dropped"));
}

std::span<char> GrpcCall::request() const { return stream_->request(); }
std::optional<std::string_view> GrpcCall::metadata(std::string_view name) const { return stream_->metadata(name); }
Deadline GrpcCall::deadline() const { return stream_->deadline(); }
Deadline GrpcCall::arrived() const { return stream_->arrived(); }
bool GrpcCall::cancelled() const { return stream_->cancelled(); }
const std::atomic<bool>* GrpcCall::cancel_flag() const { return stream_->cancel_flag(); }
std::string GrpcCall::peer() const { return stream_->peer(); }
std::string_view GrpcCall::client_subject() const { return stream_->client_subject(); }
std::string_view GrpcCall::trace_id() const { return stream_->trace().trace_id; }
const ClientName& GrpcCall::client() const { return stream_->client(); }
std::string& GrpcCall::response() { return stream_->outgoing.front().body; }

void GrpcCall::Append(std::string_view bytes, std::shared_ptr<const void> owner) {
  stream_->outgoing.front().appended.emplace_back(bytes, std::move(owner));
}

std::optional<std::string_view> GrpcOpening::Find(std::string_view name) const {
  for (const auto& [key, value] : metadata)
    if (key == name) return value;
  return std::nullopt;
}

void GrpcCall::SetMetadata(std::string name, std::string value) {
  stream_->response_metadata.emplace_back(std::move(name), std::move(value));
}

void GrpcCall::Finish(const Status& status) { std::exchange(stream_, nullptr)->Complete(status); }

struct GrpcWriter::Last {
  explicit Last(std::shared_ptr<GrpcStreamOutput> shared) : output(std::move(shared)) {}
  ~Last() { output->Finish(Internal("the call was dropped")); }
  Last(const Last&) = delete;
  Last& operator=(const Last&) = delete;

  const std::shared_ptr<GrpcStreamOutput> output;
};

GrpcWriter::GrpcWriter(std::shared_ptr<GrpcStreamOutput> output) : last_(std::make_shared<Last>(std::move(output))) {}
void GrpcWriter::Write(std::string message) { last_->output->Write(std::move(message)); }
void GrpcWriter::Finish(const Status& status) { last_->output->Finish(status); }

void GrpcServices::AddUnary(std::string path, std::function<void(GrpcCall)> method) {
  methods_[std::move(path)].unary = std::move(method);
}

void GrpcServices::AddStream(std::string path,
                             std::function<std::unique_ptr<GrpcStreamReader>(GrpcOpening, GrpcWriter)> method) {
  methods_[std::move(path)].stream = std::move(method);
}

const GrpcMethod* GrpcServices::Find(std::string_view path) const {
  const auto found = methods_.find(path);
  return found == methods_.end() ? nullptr : &found->second;
}

std::vector<std::string> GrpcServices::Names() const {
  std::vector<std::string> names;
  names.reserve(methods_.size());
  for (const auto& [path, method] : methods_) names.push_back(path.substr(1, path.rfind('/') - 1));
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace headrace::net
