#include "headrace/backends/arrow/module/remote_uri.h"

#include <fmt/format.h>

#include <cstdlib>

namespace headrace::arrow {
namespace {

// The first that is set and not empty.
template <class... Names>
std::string_view Environment(Names... names) {
  for (const char* name : {names...})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  return {};
}

void AddOption(std::string_view key, std::string_view value, std::string* query) {
  if (value.empty() || query->find(std::string(key) + "=") != query->npos) return;
  *query += query->empty() ? '?' : '&';
  query->append(key).append("=").append(value);
}

// The address of another service, http://HOST:PORT or without a scheme. False when there is none or the query has its
// own.
bool AddEndpoint(std::string_view endpoint, std::string_view default_scheme, std::string* query) {
  if (endpoint.empty() || query->find("endpoint_override=") != query->npos) return false;
  const size_t colon = endpoint.find("://");
  AddOption("scheme", colon == endpoint.npos ? default_scheme : endpoint.substr(0, colon), query);
  if (colon != endpoint.npos) endpoint.remove_prefix(colon + 3);
  AddOption("endpoint_override", endpoint.substr(0, endpoint.find('/')), query);
  return true;
}

// Without a region Arrow asks Amazon for the bucket's, even when another service was named.
std::string S3FileSystem(std::string_view bucket, std::string query) {
  AddOption("region", Environment("AWS_REGION", "AWS_DEFAULT_REGION"), &query);
  if (AddEndpoint(Environment("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), "https", &query))
    AddOption("region", "us-east-1", &query);
  return fmt::format("s3://{}{}", bucket, query);
}

// An emulator knows no credentials. Google's client tries for 15 minutes unless it is told otherwise.
std::string GcsFileSystem(std::string_view bucket, std::string query) {
  const bool emulator = AddEndpoint(Environment("STORAGE_EMULATOR_HOST"), "http", &query);
  AddOption("retry_limit_seconds", "10", &query);
  return fmt::format("gs://{}{}{}", emulator && bucket.find('@') == bucket.npos ? "anonymous@" : "", bucket, query);
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
  if (scheme == "s3")
    out.file_system = S3FileSystem(bucket, out.query);
  else if (scheme == "gs")
    out.file_system = GcsFileSystem(bucket, out.query);
  else
    out.file_system = fmt::format("{}://{}{}", scheme, scheme == "file" ? "/" : bucket, out.query);
  // Credentials before '@' belong to the file system, not to the path.
  const size_t at = bucket.rfind('@');
  out.path = at == bucket.npos ? rest : rest.substr(at + 1);
  return out;
}

}  // namespace headrace::arrow
