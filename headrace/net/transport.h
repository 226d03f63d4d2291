// A connection's non-blocking byte stream: a plain socket, or TLS over it.
#pragma once
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/net/tls.h"

struct ssl_ctx_st;
struct ssl_st;

namespace headrace::net {

// A server's certificates, shared by its connections; immutable.
class TlsContext {
 public:
  // kInvalidArgument, with OpenSSL's reason, for PEM that cannot be used.
  static Result<std::shared_ptr<TlsContext>> Make(const TlsOptions& options);
  ~TlsContext();
  ssl_ctx_st* get() const { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* const context_;
};

enum class IoResult { kDone, kWantRead, kWantWrite, kClosed };

// Used by one thread.
class Transport {
 public:
  // Takes over the file descriptor. `tls` null: plain.
  Transport(int fd, std::shared_ptr<TlsContext> tls);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  int fd() const { return fd_; }
  bool tls() const { return ssl_ != nullptr; }
  // kDone once the handshake is complete (at once when plain).
  IoResult Handshake();
  std::string ClientSubject() const;
  // kDone: `*count` ≥ 1 bytes are there.
  IoResult Read(std::span<char> into, size_t* count);
  // kDone: `*count` ≥ 1 bytes of the pieces are on their way, perhaps not all.
  IoResult Write(std::span<const iovec> pieces, size_t* count);
  // From a file at `*offset`, which advances; at most `length` bytes. Plain: sendfile.
  IoResult SendFile(int file, off_t* offset, size_t length, size_t* count);
  // Says that nothing follows; what the peer still sends can be read.
  void ShutdownWrite();
  void Close();

 private:
  IoResult FromSsl(int result, size_t* count);
  int fd_;
  std::shared_ptr<TlsContext> context_;
  ssl_st* ssl_ = nullptr;
};

}  // namespace headrace::net
