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
  // `application` is the one protocol that ALPN agrees to: "http/1.1", "h2".
  static Result<std::shared_ptr<TlsContext>> Make(const TlsOptions& options, std::string application);
  ~TlsContext();
  ssl_ctx_st* get() const { return context_; }

 private:
  TlsContext(ssl_ctx_st* context, std::string application)
      : context_(context), application_(static_cast<char>(application.size()) + application) {}
  static int SelectApplication(ssl_st* ssl, const unsigned char** out, unsigned char* out_length,
                               const unsigned char* in, unsigned in_length, void* self);

  ssl_ctx_st* const context_;
  const std::string application_;  // as ALPN lists it: its length, then its name
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
