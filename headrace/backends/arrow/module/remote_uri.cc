#include "headrace/backends/arrow/module/remote_uri.h"

#include <cstdlib>

namespace headrace::arrow {
namespace {

std::string_view Environment(const char* first, const char* second) {
  for (const char* name : {first, second})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  return {};
}

void AddOption(std::string_view key, std::string_view value, std::string* query) {
  if (value.empty() || query->find(std::string(key) + "=") != query->npos) return;
  *query += query->empty() ? '?' : '&';
  query->append(key).append("=").append(value);
}

// Without a region Arrow asks Amazon for the bucket's, even when another service was named.
void AddS3Options(std::string* query) {
  std::string_view endpoint = Environment("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
  AddOption("region", Environment("AWS_REGION", "AWS_DEFAULT_REGION"), query);
  if (endpoint.empty() || query->find("endpoint_override=") != query->npos) return;
  const size_t colon = endpoint.find("://");
  AddOption("scheme", colon == endpoint.npos ? "https" : endpoint.substr(0, colon), query);
  if (colon != endpoint.npos) endpoint.remove_prefix(colon + 3);
  AddOption("endpoint_override", endpoint.substr(0, endpoint.find('/')), query);
  AddOption("region", "us-east-1", query);
}

}  // namespace

Result<RemoteUri> ParseRemoteUri(std::string_view uri) {
  const size_t colon = uri.find("://");
  const std::string_view scheme = uri.substr(0, colon);
  std::string_view rest = uri.substr(colon + 3);
  RemoteUri out;
  if (const size_t query = rest.find('?'); query != rest.npos) {
    out.query = rest.substr(query);
    rest = rest.substr(0, query);
  }
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const size_t slash = rest.find('/');
  std::string_view bucket = rest.substr(0, slash);
  if (bucket.empty() && scheme != "file")
    return std::unexpected(InvalidArgument("{}: names no bucket; expected {}://BUCKET/PATH", uri, scheme));
  std::string options = out.query;
  if (scheme == "s3") AddS3Options(&options);
  out.file_system = std::string(scheme) + "://" + (scheme == "file" ? "/" : std::string(bucket)) + options;
  // Credentials before '@' belong to the file system, not to the path.
  const size_t at = bucket.rfind('@');
  out.path = at == bucket.npos ? rest : rest.substr(at + 1);
  return out;
}

}  // namespace headrace::arrow
