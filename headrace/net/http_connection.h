// One client's connection: reads requests, hands them to the handler one after another, writes the answers in order.
//
// All on its loop's thread, but for what a handler's HttpResponder fills in while the connection waits for it
// (kHandling), when the loop leaves response_ alone. A connection that is closed while a responder is out is freed by
// that responder's end.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/net/byte_buffer.h"
#include "headrace/net/connection_loop.h"
#include "headrace/net/event_loop.h"
#include "headrace/net/http.h"
#include "headrace/net/http_server.h"
#include "headrace/net/memory_budget.h"
#include "headrace/net/request_parser.h"
#include "headrace/net/response_writer.h"
#include "headrace/net/trace_context.h"
#include "headrace/net/transport.h"

namespace headrace::net {

// What all connections of an HttpServer share.
struct HttpShared {
  HttpServerOptions options;
  HttpHandler* handler = nullptr;
};

class HttpConnection final : public Connection,
                             public EventLoop::Io,
                             public EventLoop::Task,
                             private RequestParser::Sink {
 public:
  HttpConnection(std::shared_ptr<ConnectionLoop> loop, std::shared_ptr<const HttpShared> shared, int fd,
                 std::string peer, std::shared_ptr<TlsContext> tls);
  ~HttpConnection() override;

  // On the loop's thread.
  Status Start() override;
  void OnIo(uint32_t events) override;
  void RunTask() override { WriteResponse(); }
  void Resume() override;  // with what has come while the last answer was made
  void OnTick() override;
  void BeginDrain() override;
  void Close() override;
  bool deletable() const override { return !responder_out_; }
  void Orphan() override { orphan_ = true; }

  // The responder's side.
  ResponseWriter& response() { return response_; }
  // The answer is filled in; from any thread. The connection may be gone afterwards.
  void Complete();

 private:
  enum class State { kHandshake, kHead, kBody, kHandling, kWriting, kLingering, kClosed };
  // Where a body arrives: in input_ behind its head; straight in body_; through stream_, decoded, into body_ or a file.
  enum class BodyKind { kNone, kInPlace, kSized, kStreamed };

  void ContinueHandshake();
  void ReadMore();
  std::span<char> ReadRoom();
  void Received(size_t count);
  void Advance();
  // These return whether to go on; if not, more bytes are needed or the request has failed.
  bool ParseHead();
  bool BeginBody();
  bool PlaceBody(bool chunked, uint64_t length, const BodyPlan& plan);
  bool ContinueBody();
  bool DecodeStream();
  bool InflateBody();
  bool TakeBody(std::string_view bytes) override;
  void NextRequest();
  void Touch();
  void Dispatch();
  void Fail(int status, std::string_view message);
  void BeginTrace();
  void LogAccess();
  void WriteResponse();
  void ContinueWriting();
  void ResponseWritten();
  void Linger();
  void SetInterest(uint32_t events);
  bool OpenSpool(const std::filesystem::path& folder);
  void DropSpool();

  const std::shared_ptr<ConnectionLoop> loop_;
  const std::shared_ptr<const HttpShared> shared_;
  const HttpServerOptions& options_;
  Transport transport_;
  const std::string peer_;
  std::string client_subject_;
  State state_ = State::kHandshake;
  uint32_t interest_ = 0;
  bool responder_out_ = false;
  bool dispatching_ = false;
  bool keep_alive_ = true;
  bool orphan_ = false;
  int64_t since_ms_ = 0;  // when the state was entered or made progress

  // Unparsed bytes are [begin_, end_) of input_.
  ByteBuffer input_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t scanned_ = 0;  // of those, known to hold no end of a head

  std::optional<RequestParser> parser_;
  std::vector<HttpHeader> headers_;
  std::deque<std::string> folded_;
  HttpRequest request_;
  BodyKind body_kind_ = BodyKind::kNone;
  ByteBuffer body_;
  size_t body_length_ = 0;    // of what has arrived, decoded
  size_t body_expected_ = 0;  // unless chunked
  bool chunked_ = false;
  ByteBuffer stream_;  // undecoded bytes of a streamed body: [stream_begin_, stream_end_)
  size_t stream_begin_ = 0;
  size_t stream_end_ = 0;
  size_t body_limit_ = 0;
  std::string inflated_;
  MemoryLease inflated_lease_;
  int spool_ = -1;
  ResponseWriter response_;

  std::optional<TraceContext> parent_;  // the client's
  TraceContext trace_;                  // ours; empty when there is neither a parent nor a log
  Deadline dispatched_{};
};

}  // namespace headrace::net
