// One HTTP/2 stream of a GrpcConnection: a call from its first header to its last byte.
//
// All on its loop's thread, but for what a GrpcCall fills in while the call is out (call_out_), when the loop leaves
// the answer alone. A stream that ends while its call is out is freed once that call is finished.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "headrace/base/mutex.h"
#include "headrace/net/byte_buffer.h"
#include "headrace/net/compression.h"
#include "headrace/net/connection_loop.h"
#include "headrace/net/event_loop.h"
#include "headrace/net/grpc_call.h"
#include "headrace/net/memory_budget.h"
#include "headrace/net/trace_context.h"

namespace headrace::net {

class GrpcConnection;

// A length-prefixed message on its way out.
struct GrpcOutgoing {
  std::string body;
  std::vector<std::pair<std::string_view, std::shared_ptr<const void>>> appended;

  size_t size() const;
};

// What the copies of a GrpcWriter share.
class GrpcStreamOutput : public std::enable_shared_from_this<GrpcStreamOutput> {
 public:
  GrpcStreamOutput(std::shared_ptr<ConnectionLoop> loop, GrpcStream* stream)
      : loop_(std::move(loop)), stream_(stream) {}
  // Thread-safe.
  void Write(std::string message);
  void Finish(const Status& status);
  // On the loop's thread: the stream is gone.
  void Detach() { stream_ = nullptr; }

 private:
  void Wake();
  void Drain();

  const std::shared_ptr<ConnectionLoop> loop_;
  GrpcStream* stream_;  // used on the loop's thread
  Mutex mutex_;
  std::deque<std::string> messages_ HR_GUARDED_BY(mutex_);
  std::optional<Status> status_ HR_GUARDED_BY(mutex_);
  bool posted_ HR_GUARDED_BY(mutex_) = false;
};

class GrpcStream final : public EventLoop::Task {
 public:
  explicit GrpcStream(std::shared_ptr<ConnectionLoop> loop) : loop_(std::move(loop)) {}
  ~GrpcStream() override;

  // The connection's side, on the loop's thread.
  void Open(GrpcConnection* connection, int32_t id);
  void AddHeader(std::string_view name, std::string_view value);
  // Each returns the error to answer with, which ends the call.
  Status HeadersDone(const GrpcServices& services, size_t max_message_bytes, bool logged);
  Status AddData(std::string_view bytes);
  Status InputDone();
  // Whether the stream can be used again or freed by the connection; if not it frees itself later.
  bool Close();
  // True while it must not be touched by the loop.
  bool call_out() const { return call_out_; }
  int32_t id() const { return id_; }
  bool headers_done() const { return headers_done_; }
  bool answered() const { return answered_; }
  const std::optional<TraceContext>& parent_trace() const { return parent_; }
  const TraceContext& trace() const { return trace_; }  // empty when there is neither a parent nor a log
  Deadline started() const { return started_; }
  size_t received_bytes() const { return received_bytes_; }

  // What is to be sent; the connection's source of DATA frames.
  std::deque<GrpcOutgoing> outgoing;
  size_t outgoing_at = 0;  // bytes of the front message, its prefix included, that are in frames already
  size_t sent_bytes = 0;   // of messages
  Status status;
  bool finished = false;   // `status` is final: trailers follow what is in `outgoing`
  bool refused = false;    // answered before the request had ended
  bool deferred = false;   // the connection's data source waits for more
  bool responded = false;  // the response headers are submitted
  std::vector<std::pair<std::string, std::string>> response_metadata;

  // The call's side (GrpcCall).
  std::span<char> request() { return request_; }
  std::optional<std::string_view> metadata(std::string_view name) const;
  Deadline deadline() const { return deadline_; }
  Deadline arrived() const { return arrived_; }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  const std::atomic<bool>* cancel_flag() const { return &cancelled_; }
  std::string peer() const;
  std::string_view client_subject() const;
  const ClientName& client() const { return client_; }
  void Complete(const Status& final_status);

  // The writer's side, on the loop's thread.
  void Send(std::string message);
  void End(const Status& final_status);

 private:
  struct Header {
    size_t name, name_length, value, value_length;
  };
  void RunTask() override;
  GrpcOpening Opening() const;
  Status Reserve(size_t length);
  Status MessageDone();
  void DropInflated();
  void Dispatch();
  void Reset();

  const std::shared_ptr<ConnectionLoop> loop_;
  GrpcConnection* connection_ = nullptr;
  int32_t id_ = 0;

  std::string header_text_;
  std::vector<Header> headers_;
  const GrpcMethod* method_ = nullptr;
  size_t max_message_bytes_ = 0;
  Deadline deadline_ = Deadline::max();
  Deadline arrived_{};
  Encoding encoding_ = Encoding::kIdentity;
  std::string peer_, client_subject_;
  ClientName client_;
  bool headers_done_ = false;
  bool answered_ = false;

  // The message that is arriving.
  unsigned char prefix_[5] = {};
  size_t prefix_got_ = 0;
  ByteBuffer message_;
  size_t message_got_ = 0;
  size_t message_length_ = 0;
  size_t messages_ = 0;
  std::string inflated_;
  std::optional<MemoryLease> inflated_lease_;
  std::span<char> request_;

  std::optional<TraceContext> parent_;
  TraceContext trace_;
  Deadline started_{};
  size_t received_bytes_ = 0;

  bool call_out_ = false;
  bool orphan_ = false;
  std::atomic<bool> cancelled_{false};
  std::unique_ptr<GrpcStreamReader> reader_;
  std::shared_ptr<GrpcStreamOutput> output_;
};

}  // namespace headrace::net
