// PipelineService and the upload service.
#include "headrace/pipeline/ir.h"
#include "headrace/protocols/kfp/list_query.h"
#include "headrace/protocols/kfp/multipart.h"
#include "headrace/protocols/kfp/package.h"
#include "headrace/protocols/kfp/routes.h"

namespace headrace::kfp {
namespace {

using metadata::PipelineStore;
using metadata::StoredPipeline;
using metadata::StoredPipelineVersion;
using net::RouteRequest;
using net::RouteResponse;

json::object ToJsonObject(const StoredPipeline& pipeline) {
  json::object object = {{"pipeline_id", pipeline.id},
                         {"display_name", pipeline.display_name},
                         {"name", pipeline.name},
                         {"created_at", FormatTime(pipeline.created)}};
  SetUnlessEmpty(object, "description", pipeline.description);
  SetUnlessEmpty(object, "namespace", pipeline.name_space);
  if (!pipeline.tags.empty()) object["tags"] = pipeline.tags;
  return object;
}

json::object ToJsonObject(const StoredPipelineVersion& version) {
  json::object object = {{"pipeline_id", version.pipeline_id},        {"pipeline_version_id", version.id},
                         {"display_name", version.display_name},      {"name", version.name},
                         {"created_at", FormatTime(version.created)}, {"pipeline_spec", version.spec}};
  SetUnlessEmpty(object, "description", version.description);
  SetUnlessEmpty(object, "code_source_url", version.code_source_url);
  if (!version.tags.empty()) object["tags"] = version.tags;
  return object;
}

// A specification that this program can run.
Result<json::value> CheckedSpec(json::value spec) {
  HR_UNEXPECTED_IF_ERROR(pipeline::ParsePipeline(spec));
  return spec;
}

struct Upload {
  std::string file_name;
  json::value spec;
};

Result<Upload> ReadUpload(RouteRequest& request) {
  const auto type = request.http().header("Content-Type").value_or("");
  HR_ASSIGN_OR_UNEXPECTED(const auto parts, ParseForm(type, request.body()));
  for (const auto& part : parts) {
    if (part.name != "uploadfile") continue;
    HR_ASSIGN_OR_UNEXPECTED(const std::string text, ExtractPipeline(part.content));
    HR_ASSIGN_OR_UNEXPECTED(json::value spec, pipeline::ReadPipelineFile(text));
    HR_ASSIGN_OR_UNEXPECTED(spec, CheckedSpec(std::move(spec)));
    return Upload{part.file_name, std::move(spec)};
  }
  return std::unexpected(InvalidArgument("the form has no file \"uploadfile\""));
}

Result<json::object> TagsOf(RouteRequest& request) {
  const auto text = request.Query("tags");
  if (!text || text->empty()) return json::object();
  auto tags = ParseJson(*text);
  if (!tags || !tags->is_object())
    return std::unexpected(InvalidArgument("tags: expected a JSON object of strings, found \"{}\"", *text));
  return std::move(tags->as_object());
}

// Name, display name, description and tags, which pipelines and versions have alike. A name that is not given is the
// display name, else the file's.
template <class T>
Result<T> NamedByQuery(RouteRequest& request, const std::string& file_name) {
  T named;
  named.display_name = request.Query("display_name").value_or("");
  named.name = request.Query("name").value_or(named.display_name);
  if (named.name.empty()) named.name = file_name;
  named.description = request.Query("description").value_or("");
  HR_ASSIGN_OR_UNEXPECTED(named.tags, TagsOf(request));
  return named;
}

Result<RouteResponse> UploadPipeline(PipelineStore& store, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(Upload upload, ReadUpload(request));
  HR_ASSIGN_OR_UNEXPECTED(auto pipeline, NamedByQuery<StoredPipeline>(request, upload.file_name));
  pipeline.name_space = request.Query("namespace").value_or("");
  StoredPipelineVersion version;
  version.name = pipeline.name;
  version.display_name = pipeline.display_name;
  version.description = pipeline.description;
  version.code_source_url = request.Query("code_source_url").value_or("");
  version.spec = std::move(upload.spec);
  HR_ASSIGN_OR_UNEXPECTED(pipeline, store.CreateWithVersion(std::move(pipeline), std::move(version)));
  return net::JsonResponse(ToJsonObject(pipeline));
}

Result<RouteResponse> UploadVersion(PipelineStore& store, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(Upload upload, ReadUpload(request));
  HR_ASSIGN_OR_UNEXPECTED(auto version, NamedByQuery<StoredPipelineVersion>(request, upload.file_name));
  version.pipeline_id = request.Query("pipelineid").value_or("");
  if (version.pipeline_id.empty())
    return std::unexpected(InvalidArgument("pipelineid: expected the id of the pipeline that gets the version"));
  version.code_source_url = request.Query("code_source_url").value_or("");
  version.spec = std::move(upload.spec);
  HR_ASSIGN_OR_UNEXPECTED(version, store.CreateVersion(std::move(version)));
  return net::JsonResponse(ToJsonObject(version));
}

template <class T>
Result<T> NamedByBody(const json::object& body) {
  T named;
  HR_ASSIGN_OR_UNEXPECTED(named.display_name, StringOr(body, "display_name"));
  HR_ASSIGN_OR_UNEXPECTED(named.name, StringOr(body, "name", named.display_name));
  HR_ASSIGN_OR_UNEXPECTED(named.description, StringOr(body, "description"));
  if (const auto* tags = body.if_contains("tags"); tags && tags->is_object()) named.tags = tags->get_object();
  return named;
}

Result<StoredPipelineVersion> VersionOfBody(const json::object& body, const std::string& pipeline_id) {
  HR_ASSIGN_OR_UNEXPECTED(auto version, NamedByBody<StoredPipelineVersion>(body));
  version.pipeline_id = pipeline_id;
  HR_ASSIGN_OR_UNEXPECTED(version.code_source_url, StringOr(body, "code_source_url"));
  const auto* spec = body.if_contains("pipeline_spec");
  if (!spec && body.contains("package_url"))
    return std::unexpected(
        Unimplemented("package_url: pipelines are not fetched from URLs; send the file with "
                      "pipelines/upload or pipelines/upload_version, or a pipeline_spec"));
  if (!spec) return std::unexpected(InvalidArgument("pipeline_spec: expected the compiled pipeline"));
  HR_ASSIGN_OR_UNEXPECTED(version.spec, CheckedSpec(*spec));
  return version;
}

Result<RouteResponse> CreatePipeline(PipelineStore& store, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const json::object body, request.JsonBody());
  HR_ASSIGN_OR_UNEXPECTED(auto pipeline, NamedByBody<StoredPipeline>(body));
  HR_ASSIGN_OR_UNEXPECTED(pipeline.name_space, StringOr(body, "namespace"));
  HR_ASSIGN_OR_UNEXPECTED(pipeline, store.Create(std::move(pipeline)));
  return net::JsonResponse(ToJsonObject(pipeline));
}

Result<RouteResponse> CreatePipelineAndVersion(PipelineStore& store, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const json::object body, request.JsonBody());
  HR_ASSIGN_OR_UNEXPECTED(const auto* pipeline_body, RequiredObject(body, "pipeline"));
  HR_ASSIGN_OR_UNEXPECTED(const auto* version_body, RequiredObject(body, "pipeline_version"));
  HR_ASSIGN_OR_UNEXPECTED(auto pipeline, NamedByBody<StoredPipeline>(*pipeline_body));
  HR_ASSIGN_OR_UNEXPECTED(auto version, VersionOfBody(*version_body, ""));
  if (version.name.empty()) version.name = pipeline.name;
  HR_ASSIGN_OR_UNEXPECTED(pipeline, store.CreateWithVersion(std::move(pipeline), std::move(version)));
  return net::JsonResponse(ToJsonObject(pipeline));
}

Result<RouteResponse> CreateVersion(PipelineStore& store, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const json::object body, request.JsonBody());
  HR_ASSIGN_OR_UNEXPECTED(auto version, VersionOfBody(body, request.Variable("pipeline_id")));
  HR_ASSIGN_OR_UNEXPECTED(version, store.CreateVersion(std::move(version)));
  return net::JsonResponse(ToJsonObject(version));
}

Result<RouteResponse> ListPipelines(PipelineStore& store, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const ListRequest list, ListRequestOf(request));
  HR_ASSIGN_OR_UNEXPECTED(const auto listed, store.List(list, request.Query("namespace").value_or("")));
  json::array pipelines;
  for (const auto& pipeline : listed.pipelines) pipelines.push_back(ToJsonObject(pipeline));
  return ListResponse("pipelines", std::move(pipelines), listed.total, listed.next_page_token);
}

Result<RouteResponse> ListVersions(PipelineStore& store, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const ListRequest list, ListRequestOf(request));
  HR_ASSIGN_OR_UNEXPECTED(const auto listed, store.ListVersions(request.Variable("pipeline_id"), list));
  json::array versions;
  for (const auto& version : listed.versions) versions.push_back(ToJsonObject(version));
  return ListResponse("pipeline_versions", std::move(versions), listed.total, listed.next_page_token);
}

template <class T>
Result<RouteResponse> Found(const Result<T>& found) {
  if (!found) return std::unexpected(found.error());
  return net::JsonResponse(ToJsonObject(*found));
}

}  // namespace

void AddPipelineRoutes(const KfpParts& parts, net::Router* router) {
  PipelineStore* store = parts.pipelines;
  const std::string all = std::string(kPrefix) + "/pipelines", one = all + "/{pipeline_id}";
  const std::string versions = one + "/versions", version = versions + "/{pipeline_version_id}";
  router->Add("POST", all, [store](RouteRequest& r) { return CreatePipeline(*store, r); });
  router->Add("GET", all, [store](RouteRequest& r) { return ListPipelines(*store, r); });
  router->Add("POST", all + "/upload", [store](RouteRequest& r) { return UploadPipeline(*store, r); });
  router->Add("POST", all + "/upload_version", [store](RouteRequest& r) { return UploadVersion(*store, r); });
  router->Add("POST", all + "/create", [store](RouteRequest& r) { return CreatePipelineAndVersion(*store, r); });
  router->Add("GET", all + "/names/{name}", [store](RouteRequest& r) {
    return Found(store->GetByName(r.Query("namespace").value_or(""), r.Variable("name")));
  });
  router->Add("GET", one, [store](RouteRequest& r) { return Found(store->Get(r.Variable("pipeline_id"))); });
  router->Add("DELETE", one, [store](RouteRequest& r) {
    return EmptyOr(store->Delete(r.Variable("pipeline_id"), r.Query("cascade").value_or("") == "true"));
  });
  router->Add("POST", versions, [store](RouteRequest& r) { return CreateVersion(*store, r); });
  router->Add("GET", versions, [store](RouteRequest& r) { return ListVersions(*store, r); });
  router->Add("GET", version, [store](RouteRequest& r) {
    return Found(store->GetVersion(r.Variable("pipeline_id"), r.Variable("pipeline_version_id")));
  });
  router->Add("DELETE", version, [store](RouteRequest& r) {
    return EmptyOr(store->DeleteVersion(r.Variable("pipeline_id"), r.Variable("pipeline_version_id")));
  });
}

}  // namespace headrace::kfp
