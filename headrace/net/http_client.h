// A small blocking HTTP/1.1 client for our own use: hooks, upstream servers, tests.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"

namespace headrace::net {

struct ClientRequest {
  std::string method = "GET";
  std::string url = {};  // http://host[:port]/path?query, https:// the same, or http+unix://%2Fpath%2Fof.sock/path
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  Duration timeout = std::chrono::seconds(30);  // for the whole exchange
  size_t max_response_bytes = size_t{256} << 20;
};

struct ClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  // The first header of that (lower-case) name, or "".
  std::string_view header(std::string_view name) const;
};

// Keeps connections open between calls. Thread-safe.
class HttpClient {
 public:
  // `ca_file`: PEM file of who may sign servers' certificates; empty: the system's.
  explicit HttpClient(std::string ca_file = "");
  ~HttpClient();
  // Blocks. Any HTTP status is a response; kUnavailable when the server cannot be reached, kDeadlineExceeded,
  // kInvalidArgument for a URL that cannot be read. Redirects are not followed.
  Result<ClientResponse> Fetch(const ClientRequest& request);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headrace::net
