// Who may do what on a server: bearer tokens (RFC 6750) and client certificates, with rights by model.
//
// The file names no secret: of a token it has the SHA-256.
//
//   {"clients": [
//     {"name": "shop",  "token_sha256": "9f86d081…", "models": ["flights", "prices-*"], "rights": ["predict"]},
//     {"name": "ci",    "token_sha256": "60303ae2…", "models": ["*"], "rights": ["predict", "admin"]},
//     {"name": "batch", "certificate_subject": "CN=batch,O=Example", "models": ["*"], "rights": ["predict"]}
//   ]}
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/net/client_name.h"

namespace headrace::net {

enum class Right { kPredict, kAdmin };  // ask for predictions and metadata; change what is served

// What a request shows of who sent it.
struct Credentials {
  std::optional<std::string_view> authorization;  // the header: "Bearer …"
  std::string_view certificate_subject;           // of a verified client certificate, as RFC 2253 writes it
};

// Thread-safe; takes no lock.
class Authorizer {
 public:
  // Everybody may do everything.
  Authorizer() = default;
  Authorizer(const Authorizer&) = delete;
  Authorizer& operator=(const Authorizer&) = delete;

  // Replaces the rules by those of a file of the form above. kInvalidArgument that names the client and the field; the
  // former rules then stand.
  Status Load(std::string_view json);
  // Whether there are rules at all.
  bool enabled() const { return enabled_.load(std::memory_order_acquire); }
  // kUnauthenticated without credentials, or with ones that nobody has; kPermissionDenied when that client lacks the
  // right on `model`. An empty `model` asks for the server as a whole, which only clients with the model "*" have.
  // `name`, when not null, becomes that of the client who is let through; it stays when there are no rules.
  Status Check(const Credentials& credentials, std::string_view model, Right right, ClientName* name = nullptr) const;

 private:
  struct Client {
    std::string name;
    std::string token_sha256;
    std::string certificate_subject;
    std::vector<std::string> models;
    bool predict = false;
    bool admin = false;
  };
  using Clients = std::vector<Client>;
  static bool Covers(const Client& client, std::string_view model);

  std::atomic<bool> enabled_{false};
  std::atomic<std::shared_ptr<const Clients>> clients_;
};

}  // namespace headrace::net
