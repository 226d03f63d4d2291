// One client's HTTP/2 connection: nghttp2 reads and makes the frames, GrpcStream the calls.
#pragma once
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "headrace/net/connection_loop.h"
#include "headrace/net/event_loop.h"
#include "headrace/net/grpc_call.h"
#include "headrace/net/grpc_stream.h"
#include "headrace/net/transport.h"

struct nghttp2_session;
struct nghttp2_session_callbacks;

namespace headrace::net {

class AccessLog;

struct GrpcConnectionOptions {
  size_t max_message_bytes = size_t{1} << 30;
  uint32_t max_concurrent_streams = 1024;  // of one connection
  Duration handshake_timeout = std::chrono::seconds(30);
  AccessLog* access_log = nullptr;
  MemoryBudget* inflated = nullptr;
  GrpcGuard guard = {};
};

class GrpcConnection final : public Connection, public EventLoop::Io {
 public:
  // `services` must outlive the connection.
  GrpcConnection(std::shared_ptr<ConnectionLoop> loop, int fd, std::string peer, std::shared_ptr<TlsContext> tls,
                 const GrpcServices* services, GrpcConnectionOptions options);
  ~GrpcConnection() override;

  Status Start() override;
  void OnIo(uint32_t events) override;
  void OnTick() override;
  void BeginDrain() override;
  void Resume() override;
  void Close() override;
  bool deletable() const override { return true; }
  void Orphan() override {}

  const std::string& peer() const { return peer_; }
  const std::string& client_subject() const { return client_subject_; }
  MemoryBudget* inflated() const { return options_.inflated; }
  const GrpcGuard& guard() const { return options_.guard; }
  // Sends what the stream has: response headers, messages, trailers. Written at the end of the loop's wake-up.
  void Respond(GrpcStream* stream);

 private:
  friend struct GrpcCallbacks;  // nghttp2's, in the .cc
  enum class State { kHandshake, kOpen, kClosed };
  struct Piece {
    const char* external;  // null: the next `length` bytes of small_
    size_t length;
  };

  Status OpenSession();
  void ContinueHandshake();
  void ReadMore();
  void Flush();
  bool FillQueue();
  IoResult WriteQueue();
  void QueueCopy(const void* data, size_t length);
  void QueueMessageBytes(GrpcStream* stream, size_t length);
  void PopOutgoing(GrpcStream* stream);
  GrpcStream* OpenStream(int32_t id);
  void CloseStream(GrpcStream* stream);
  void LogAccess(const GrpcStream& stream);
  void Refuse(GrpcStream* stream, const Status& status);
  void SubmitHeaders(GrpcStream* stream);
  void SubmitTrailersOnly(GrpcStream* stream);
  void SubmitTrailers(GrpcStream* stream);
  void SetInterest(uint32_t events);

  const std::shared_ptr<ConnectionLoop> loop_;
  const GrpcServices& services_;
  const GrpcConnectionOptions options_;
  Transport transport_;
  const std::string peer_;
  std::string client_subject_;
  State state_ = State::kHandshake;
  uint32_t interest_ = 0;
  int64_t since_ms_ = 0;
  bool receiving_ = false;
  bool resume_asked_ = false;
  bool draining_ = false;
  nghttp2_session* session_ = nullptr;
  std::unordered_set<GrpcStream*> streams_;
  std::vector<std::unique_ptr<GrpcStream>> spare_;

  // Frames that nghttp2 has made and the socket has not taken.
  std::string small_;
  size_t small_at_ = 0;
  std::vector<Piece> pieces_;
  size_t next_piece_ = 0;
  size_t queued_ = 0;
  std::vector<GrpcOutgoing> kept_;  // messages that pieces point into
};

}  // namespace headrace::net
