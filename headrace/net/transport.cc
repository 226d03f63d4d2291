#include "headrace/net/transport.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace headrace::net {
namespace {

constexpr size_t kFileChunk = 64 << 10;

IoResult FromErrno() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? IoResult::kWantRead : IoResult::kClosed;
}

Status TlsError(std::string_view field) {
  char reason[256] = "not PEM of the kind that is expected";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, reason, sizeof reason);
  ERR_clear_error();
  return InvalidArgument("TLS {}: {}", field, reason);
}

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioFree>;
struct X509Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, X509Free>;

Bio Memory(const std::string& pem) { return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

Status UseChain(SSL_CTX* context, const std::string& pem) {
  const Bio bio = Memory(pem);
  const Certificate own(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!own || SSL_CTX_use_certificate(context, own.get()) != 1) return TlsError("certificate_chain");
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)})
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return TlsError("certificate_chain");
  ERR_clear_error();
  return OkStatus();
}

Status UseKey(SSL_CTX* context, const std::string& pem) {
  const Bio bio = Memory(pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr);
  const bool good =
      key != nullptr && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
  EVP_PKEY_free(key);
  return good ? OkStatus() : TlsError("private_key");
}

Status UseClientCa(SSL_CTX* context, const TlsOptions& options) {
  if (options.client_ca.empty()) return OkStatus();
  const Bio bio = Memory(options.client_ca);
  int count = 0;
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), next.get());
    SSL_CTX_add_client_CA(context, next.get());
    count++;
  }
  if (count == 0) return TlsError("client_ca");
  ERR_clear_error();
  const int require = options.require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | require, nullptr);
  return OkStatus();
}

}  // namespace

int TlsContext::SelectApplication(ssl_st*, const unsigned char** out, unsigned char* out_length,
                                  const unsigned char* in, unsigned in_length, void* self) {
  const std::string& ours = static_cast<TlsContext*>(self)->application_;
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned>(ours.size()), in, in_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Result<std::shared_ptr<TlsContext>> TlsContext::Make(const TlsOptions& options, std::string application) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes with write()
  std::shared_ptr<TlsContext> made(new TlsContext(SSL_CTX_new(TLS_server_method()), std::move(application)));
  SSL_CTX* context = made->get();
  if (context == nullptr) return std::unexpected(Internal("TLS: no context"));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>("headrace"), 8);
  SSL_CTX_set_alpn_select_cb(context, SelectApplication, made.get());
  HR_UNEXPECTED_IF_ERROR(UseChain(context, options.certificate_chain));
  HR_UNEXPECTED_IF_ERROR(UseKey(context, options.private_key));
  HR_UNEXPECTED_IF_ERROR(UseClientCa(context, options));
  return made;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Transport::Transport(int fd, std::shared_ptr<TlsContext> tls) : fd_(fd), context_(std::move(tls)) {
  if (!context_) return;
  ssl_ = SSL_new(context_->get());
  SSL_set_fd(ssl_, fd_);
  SSL_set_accept_state(ssl_);
}

Transport::~Transport() { Close(); }

void Transport::Close() {
  if (ssl_ != nullptr) SSL_free(std::exchange(ssl_, nullptr));
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

IoResult Transport::FromSsl(int result, size_t* count) {
  if (result > 0) {
    *count = static_cast<size_t>(result);
    return IoResult::kDone;
  }
  const int error = SSL_get_error(ssl_, result);
  ERR_clear_error();
  if (error == SSL_ERROR_WANT_READ) return IoResult::kWantRead;
  return error == SSL_ERROR_WANT_WRITE ? IoResult::kWantWrite : IoResult::kClosed;
}

IoResult Transport::Handshake() {
  size_t ignored = 0;
  return ssl_ == nullptr ? IoResult::kDone : FromSsl(SSL_do_handshake(ssl_), &ignored);
}

std::string Transport::ClientSubject() const {
  const Certificate certificate(ssl_ == nullptr ? nullptr : SSL_get1_peer_certificate(ssl_));
  if (!certificate || SSL_get_verify_result(ssl_) != X509_V_OK) return "";
  const Bio bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate.get()), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(length)};
}

IoResult Transport::Read(std::span<char> into, size_t* count) {
  if (ssl_ != nullptr)
    return FromSsl(SSL_read(ssl_, into.data(), static_cast<int>(std::min(into.size(), size_t{1} << 30))), count);
  const ssize_t got = recv(fd_, into.data(), into.size(), 0);
  if (got < 0) return FromErrno();
  *count = static_cast<size_t>(got);
  return got == 0 ? IoResult::kClosed : IoResult::kDone;
}

IoResult Transport::Write(std::span<const iovec> pieces, size_t* count) {
  if (ssl_ != nullptr)
    return FromSsl(SSL_write(ssl_, pieces[0].iov_base, static_cast<int>(std::min(pieces[0].iov_len, size_t{1} << 30))),
                   count);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = std::min<size_t>(pieces.size(), 64);
  const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (sent < 0) return FromErrno() == IoResult::kWantRead ? IoResult::kWantWrite : IoResult::kClosed;
  *count = static_cast<size_t>(sent);
  return IoResult::kDone;
}

IoResult Transport::SendFile(int file, off_t* offset, size_t length, size_t* count) {
  if (ssl_ == nullptr) {
    const ssize_t sent = sendfile(fd_, file, offset, length);
    if (sent < 0) return FromErrno() == IoResult::kWantRead ? IoResult::kWantWrite : IoResult::kClosed;
    *count = static_cast<size_t>(sent);
    return sent == 0 ? IoResult::kClosed : IoResult::kDone;  // the file became shorter
  }
  std::array<char, kFileChunk> chunk;
  const ssize_t got = pread(file, chunk.data(), std::min(length, chunk.size()), *offset);
  if (got <= 0) return IoResult::kClosed;
  const iovec piece{chunk.data(), static_cast<size_t>(got)};
  const IoResult io = Write({&piece, 1}, count);
  if (io == IoResult::kDone) *offset += static_cast<off_t>(*count);
  return io;
}

void Transport::ShutdownWrite() {
  if (ssl_ != nullptr) SSL_shutdown(ssl_);
  ERR_clear_error();
  shutdown(fd_, SHUT_WR);
}

}  // namespace headrace::net
