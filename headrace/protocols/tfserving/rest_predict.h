// POST …:predict.
#pragma once
#include "headrace/net/http.h"
#include "headrace/protocols/tfserving/model_server.h"
#include "headrace/protocols/tfserving/rest_path.h"

namespace headrace::tfserving {

// Answers through `responder`, here or on an inference thread. `server` must outlive the answer, `path` need not.
void HandlePredict(const ModelServer& server, const RestPath& path, net::HttpRequest& request,
                   net::HttpResponder responder);

// The version that a REST request is for. Its errors are ready for the client.
Result<serving::ServableHandle> FindServable(const ModelServer& server, const RestPath& path,
                                             const net::HttpRequest& request);

// kInvalidArgument `Serving signature name: "s" not found in signature def`; an empty name is the default one.
Result<const Signature*> FindRestSignature(const serving::ServableHandle& servable, std::string_view name);

}  // namespace headrace::tfserving
