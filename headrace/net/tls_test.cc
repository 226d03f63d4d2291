// TLS and mutual TLS on both servers, with OpenSSL's and gRPC's clients.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "headrace/net/certificates_test_util.h"
#include "headrace/net/grpc_server.h"
#include "headrace/net/http_server.h"

namespace headrace::net {
namespace {

using testing::HasSubstr;

// Answers with the client's subject.
class WhoAmI : public HttpHandler {
 public:
  void Handle(HttpRequest& request, HttpResponder responder) override {
    responder.Send(200, "text/plain", "<" + std::string(request.client_subject()) + ">");
  }
};

GrpcServices WhoAmIService() {
  GrpcServices services;
  services.AddUnary("/t.T/WhoAmI", [](GrpcCall call) {
    call.response() = "<" + std::string(call.client_subject()) + ">";
    call.Finish(OkStatus());
  });
  return services;
}

// One GET over TLS; what came back, or the reason why nothing did.
std::string Get(int port, const std::string& authority, const KeyPair* client = nullptr) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  BIO* pem = BIO_new_mem_buf(authority.data(), static_cast<int>(authority.size()));
  X509* trusted = PEM_read_bio_X509(pem, nullptr, nullptr, nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context), trusted);
  X509_free(trusted);
  BIO_free(pem);
  if (client != nullptr) {
    BIO* chain = BIO_new_mem_buf(client->certificate.data(), static_cast<int>(client->certificate.size()));
    BIO* key = BIO_new_mem_buf(client->key.data(), static_cast<int>(client->key.size()));
    X509* x509 = PEM_read_bio_X509(chain, nullptr, nullptr, nullptr);
    EVP_PKEY* secret = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context, x509);
    SSL_CTX_use_PrivateKey(context, secret);
    X509_free(x509);
    EVP_PKEY_free(secret);
    BIO_free(chain);
    BIO_free(key);
  }
  BIO* connection = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(connection, ("127.0.0.1:" + std::to_string(port)).c_str());
  std::string answer;
  if (BIO_do_connect(connection) == 1) {
    BIO_puts(connection, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    char buffer[4096];
    int got = 0;
    while ((got = BIO_read(connection, buffer, sizeof buffer)) > 0) answer.append(buffer, static_cast<size_t>(got));
  }
  BIO_free_all(connection);
  SSL_CTX_free(context);
  return answer;
}

TlsOptions Options(const KeyPair& server) {
  TlsOptions options;
  options.certificate_chain = server.certificate;
  options.private_key = server.key;
  return options;
}

class TlsTest : public testing::Test {
 protected:
  void StartHttp(const TlsOptions& tls) {
    HttpServerOptions options;
    options.tls = tls;
    auto server = HttpServer::Start(options, &handler_);
    ASSERT_TRUE(server) << server.error().ToString();
    http_ = *std::move(server);
  }
  void StartGrpc(const TlsOptions& tls) {
    GrpcServerOptions options;
    options.tls = tls;
    auto server = GrpcServer::Start(options, WhoAmIService());
    ASSERT_TRUE(server) << server.error().ToString();
    grpc_ = *std::move(server);
  }
  // The answer, or the error's text.
  std::string Call(const KeyPair* client = nullptr) {
    grpc::SslCredentialsOptions options{authority_.certificate(), client ? client->key : "",
                                        client ? client->certificate : ""};
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    grpc::GenericStub stub(grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(grpc_->port()),
                                                     grpc::SslCredentials(options), arguments));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    grpc::CompletionQueue queue;
    const grpc::Slice empty("");
    const auto call = stub.PrepareUnaryCall(&context, "/t.T/WhoAmI", grpc::ByteBuffer(&empty, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    if (!status.ok()) return status.error_message();
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(response.Dump(&slices).ok());
    std::string text;
    for (const auto& slice : slices) text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    return text;
  }

  TestAuthority authority_;
  WhoAmI handler_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<GrpcServer> grpc_;
};

TEST_F(TlsTest, ServesWhoTrustsItsAuthority) {
  const TlsOptions tls = Options(authority_.Issue("server"));
  StartHttp(tls);
  EXPECT_THAT(Get(http_->port(), authority_.certificate()), HasSubstr("\r\n\r\n<>"));
  EXPECT_EQ(Get(http_->port(), TestAuthority().certificate()), "");
  StartGrpc(tls);
  EXPECT_EQ(Call(), "<>");
}

TEST_F(TlsTest, KnowsItsClientsByTheirCertificates) {
  TlsOptions tls = Options(authority_.Issue("server"));
  tls.client_ca = authority_.certificate();
  tls.require_client_certificate = true;
  const KeyPair client = authority_.Issue("client one");
  const KeyPair stranger = TestAuthority().Issue("client one");
  StartHttp(tls);
  EXPECT_THAT(Get(http_->port(), authority_.certificate(), &client), HasSubstr("<CN=client one>"));
  EXPECT_EQ(Get(http_->port(), authority_.certificate(), &stranger), "");
  EXPECT_EQ(Get(http_->port(), authority_.certificate()), "");
  StartGrpc(tls);
  EXPECT_EQ(Call(&client), "<CN=client one>");
  EXPECT_THAT(Call(), testing::Not(HasSubstr("CN=")));
}

TEST_F(TlsTest, TakesNewCertificatesWithoutARestart) {
  StartHttp(Options(authority_.Issue("server")));
  const TestAuthority next;
  ASSERT_TRUE(http_->ReloadTls(Options(next.Issue("server"))).ok());
  EXPECT_THAT(Get(http_->port(), next.certificate()), HasSubstr("<>"));
  EXPECT_EQ(Get(http_->port(), authority_.certificate()), "");
  TlsOptions broken = Options(next.Issue("server"));
  broken.private_key = authority_.Issue("other").key;
  const Status refused = http_->ReloadTls(broken);
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("private_key"));
  EXPECT_THAT(Get(http_->port(), next.certificate()), HasSubstr("<>"));
}

}  // namespace
}  // namespace headrace::net
