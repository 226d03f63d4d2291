#include "headrace/protocols/tfserving/rest_frontend.h"

#include <utility>

#include "headrace/protocols/tfserving/model_metadata.h"
#include "headrace/protocols/tfserving/rest_examples.h"
#include "headrace/protocols/tfserving/rest_predict.h"
#include "headrace/protocols/tfserving/rest_reply.h"

namespace headrace::tfserving {

Result<std::string> RestFrontend::ModelStatus(const RestPath& path) const {
  HR_ASSIGN_OR_UNEXPECTED(const auto version, ResolveVersion(*server_.manager, path.model, path.version, path.label));
  HR_ASSIGN_OR_UNEXPECTED(const auto versions, server_.manager->Statuses(path.model, version));
  return StatusJson(versions);
}

Result<std::string> RestFrontend::ModelMetadata(const RestPath& path, const net::HttpRequest& request) const {
  HR_ASSIGN_OR_UNEXPECTED(const auto servable, FindServable(server_, path, request));
  return MetadataJson(servable);
}

void RestFrontend::Answer(const RestPath& path, net::HttpRequest& request, net::HttpResponder responder) {
  switch (path.action) {
    case RestAction::kPredict: return HandlePredict(server_, path, request, std::move(responder));
    case RestAction::kStatus: return SendJson(ModelStatus(path), std::move(responder));
    case RestAction::kMetadata: return SendJson(ModelMetadata(path, request), std::move(responder));
    case RestAction::kClassify:
    case RestAction::kRegress: return HandleExamples(server_, path, request, std::move(responder));
  }
}

void RestFrontend::Handle(net::HttpRequest& request, net::HttpResponder responder) {
  const auto path = ParseRestPath(request.method(), request.target());
  if (!path) return SendError(path.error(), std::move(responder));
  Answer(*path, request, std::move(responder));
}

}  // namespace headrace::tfserving
