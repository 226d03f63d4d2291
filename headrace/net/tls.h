// Certificates for the HTTP and gRPC servers.
#pragma once
#include <string>

namespace headrace::net {

// PEM text, not file names, so that whoever reads the files decides when to read them again.
struct TlsOptions {
  std::string certificate_chain;            // the server's certificate first
  std::string private_key;                  // of that certificate
  std::string client_ca;                    // who may sign client certificates; empty: none are asked for
  bool require_client_certificate = false;  // refuse a client that shows none
};

}  // namespace headrace::net
