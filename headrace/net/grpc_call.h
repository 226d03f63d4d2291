// What a gRPC method sees. The wire is gRPC over HTTP/2
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
#pragma once
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/net/client_name.h"

namespace headrace::net {

class GrpcStream;
class GrpcStreamOutput;

// The right and duty to finish one unary call, once. Movable to any thread; used by one thread at a time. Destroyed
// without Finish it answers INTERNAL. What it points to belongs to the call and stays valid until Finish.
class GrpcCall {
 public:
  GrpcCall() = default;
  explicit GrpcCall(GrpcStream* stream) : stream_(stream) {}
  GrpcCall(GrpcCall&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  GrpcCall& operator=(GrpcCall&& other) noexcept;
  ~GrpcCall();

  // The request message, decompressed; kBodyPadding (http.h) readable bytes follow it. Its bytes may be changed in
  // place.
  std::span<char> request() const;
  // The first metadata entry of that lower-case name.
  std::optional<std::string_view> metadata(std::string_view name) const;
  Deadline deadline() const;
  // When the last of the request's bytes had come.
  Deadline arrived() const;
  // The client has gone or given up. May be asked from any thread.
  bool cancelled() const;
  // What cancelled() reads, for those who look at it often; valid until Finish.
  const std::atomic<bool>* cancel_flag() const;
  std::string peer() const;
  // The subject of the client's verified certificate; empty without mutual TLS.
  std::string_view client_subject() const;
  // The W3C trace that it belongs to: the client's, or the one that the access log gives it; empty: none.
  std::string_view trace_id() const;
  // Whom the guard has let through.
  const ClientName& client() const;

  // The response message: empty at first. Write into it directly.
  std::string& response();
  // Sends `bytes` behind response() without copying them; `owner` keeps them until they are written.
  void Append(std::string_view bytes, std::shared_ptr<const void> owner);
  // Initial metadata; `name` in lower case.
  void SetMetadata(std::string name, std::string value);
  // Sends the response when `status` is OK, else only the status.
  void Finish(const Status& status);

  explicit operator bool() const { return stream_ != nullptr; }

 private:
  GrpcStream* stream_ = nullptr;
};

// The answering half of a streaming call. Copies share it; thread-safe.
class GrpcWriter {
 public:
  explicit GrpcWriter(std::shared_ptr<GrpcStreamOutput> output);
  // One message. Goes nowhere once the call is finished or cancelled.
  void Write(std::string message);
  // Ends the call behind what was written. The last copy destroyed without it answers INTERNAL.
  void Finish(const Status& status);

 private:
  struct Last;
  std::shared_ptr<Last> last_;
};

// The asking half of a streaming call. Called on the connection's loop: must not block. Destroyed when the call has
// ended.
class GrpcStreamReader {
 public:
  virtual ~GrpcStreamReader() = default;
  // `message` is valid during the call and may be changed in place. `client` is whom the guard has let through.
  virtual void OnMessage(std::span<char> message, const ClientName& client) = 0;
  // The client sends no more.
  virtual void OnHalfClose() = 0;
};

// What a streaming call begins with.
struct GrpcOpening {
  std::vector<std::pair<std::string, std::string>> metadata;  // names in lower case
  Deadline deadline = Deadline::max();
  std::string trace_id = {};  // as GrpcCall has it
  // The first entry of that name.
  std::optional<std::string_view> Find(std::string_view name) const;
};

struct GrpcMethod {
  std::function<void(GrpcCall)> unary;  // on a loop: must not block
  // When `unary` is empty.
  std::function<std::unique_ptr<GrpcStreamReader>(GrpcOpening, GrpcWriter)> stream;
};

// What a guard is asked: each message of a call, before the method sees it.
struct GrpcQuestion {
  std::string_view path;  // "/package.Service/Method"
  std::span<const char> message;
  std::optional<std::string_view> authorization;  // the metadata entry of that name
  std::string_view client_subject;                // of a verified client certificate
  ClientName* client = nullptr;                   // for the guard to fill when it knows whom it lets through
};
// The call ends with what is not OK. On a loop: must not block.
using GrpcGuard = std::function<Status(const GrpcQuestion&)>;

// The methods that a server answers, filled before it starts.
class GrpcServices {
 public:
  // `path` as on the wire: "/package.Service/Method". A path can be added once.
  void AddUnary(std::string path, std::function<void(GrpcCall)> method);
  void AddStream(std::string path, std::function<std::unique_ptr<GrpcStreamReader>(GrpcOpening, GrpcWriter)> method);
  const GrpcMethod* Find(std::string_view path) const;
  // "package.Service" of every path, sorted.
  std::vector<std::string> Names() const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, GrpcMethod, Hash, std::equal_to<>> methods_;
};

}  // namespace headrace::net
