#include "headrace/protocols/oip/rest_path.h"

#include "headrace/net/http.h"

namespace headrace::oip {
namespace {

// Takes the text up to the next '/' (or the end) off `rest`, with the '/'.
std::string_view TakeSegment(std::string_view* rest) {
  const size_t end = rest->find('/');
  const std::string_view segment = rest->substr(0, end);
  rest->remove_prefix(end == rest->npos ? rest->size() : end + 1);
  return segment;
}

bool Decode(std::string_view* segment, std::string* storage) {
  if (segment->find('%') == segment->npos) return true;
  auto decoded = net::PercentDecode(*segment);
  if (!decoded) return false;
  *storage = *std::move(decoded);
  *segment = *storage;
  return true;
}

Resource ModelVerb(std::string_view verb) {
  if (verb == "infer") return Resource::kInfer;
  if (verb.empty()) return Resource::kModel;
  if (verb == "ready") return Resource::kModelReady;
  if (verb == "config") return Resource::kConfig;
  if (verb == "stats") return Resource::kStatistics;
  if (verb == "trace/setting") return Resource::kTrace;
  return Resource::kNone;
}

Resource ModelPath(std::string_view rest, RestPath* out) {
  if (rest.empty()) return Resource::kModels;
  out->model = TakeSegment(&rest);
  if (rest.empty() && out->model == "stats") {
    out->model = {};
    return Resource::kStatistics;
  }
  if (out->model.empty() || !Decode(&out->model, &out->decoded[0])) return Resource::kNone;
  if (rest.starts_with("versions/")) {
    rest.remove_prefix(9);
    out->version = TakeSegment(&rest);
    if (out->version.empty() || !Decode(&out->version, &out->decoded[1])) return Resource::kNone;
  }
  return ModelVerb(rest);
}

Resource RepositoryPath(std::string_view rest, RestPath* out) {
  if (rest == "index") return Resource::kRepositoryIndex;
  if (TakeSegment(&rest) != "models") return Resource::kNone;
  out->model = TakeSegment(&rest);
  if (out->model.empty() || !Decode(&out->model, &out->decoded[0])) return Resource::kNone;
  return rest == "load" ? Resource::kLoad : rest == "unload" ? Resource::kUnload : Resource::kNone;
}

}  // namespace

void ParsePath(std::string_view path, RestPath* out) {
  out->resource = Resource::kNone;
  if (path == "/v2" || path == "/v2/") {
    out->resource = Resource::kServer;
    return;
  }
  if (!path.starts_with("/v2/")) return;
  std::string_view rest = path.substr(4);
  const std::string_view first = TakeSegment(&rest);
  if (first == "models") {
    out->resource = ModelPath(rest, out);
  } else if (first == "health") {
    out->resource = rest == "live" ? Resource::kLive : rest == "ready" ? Resource::kReady : Resource::kNone;
  } else if (first == "repository") {
    out->resource = RepositoryPath(rest, out);
  } else if (first == "logging" && rest.empty()) {
    out->resource = Resource::kLogging;
  } else if (first == "trace" && rest == "setting") {
    out->resource = Resource::kTrace;
  } else if (first == "systemsharedmemory" || first == "cudasharedmemory") {
    out->resource = Resource::kSharedMemory;
  }
}

}  // namespace headrace::oip
