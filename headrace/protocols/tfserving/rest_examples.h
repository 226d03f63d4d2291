// POST …:classify and …:regress.
#pragma once
#include "headrace/net/http.h"
#include "headrace/protocols/tfserving/model_server.h"
#include "headrace/protocols/tfserving/rest_path.h"

namespace headrace::tfserving {

// Answers through `responder`, here or on an inference thread. `server` must outlive the answer, `path` need not.
void HandleExamples(const ModelServer& server, const RestPath& path, net::HttpRequest& request,
                    net::HttpResponder responder);

}  // namespace headrace::tfserving
