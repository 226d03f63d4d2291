// POST /v2/models/NAME[/versions/VERSION]/infer.
#pragma once
#include "headrace/net/http.h"
#include "headrace/protocols/oip/model_service.h"

namespace headrace::oip {

// Answers through `responder`, here or on an inference thread. `model` and `version` need not outlive the call.
void HandleInfer(const ModelService& service, std::string_view model, std::string_view version,
                 net::HttpRequest& request, net::HttpResponder responder);

}  // namespace headrace::oip
