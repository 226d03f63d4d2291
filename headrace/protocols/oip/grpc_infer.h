// ModelInfer and ModelStreamInfer.
#pragma once
#include <memory>

#include "headrace/net/grpc_call.h"
#include "headrace/protocols/oip/model_service.h"

namespace headrace::oip {

void HandleInfer(const ModelService& service, net::GrpcCall call);

// A stream's requests are answered one after another, in their order; at most 1,024 wait, then the call ends with
// RESOURCE_EXHAUSTED. A request that fails is answered with error_message, and the stream goes on. The stream's
// metadata and deadline are those of each of its requests.
std::unique_ptr<net::GrpcStreamReader> HandleStream(const ModelService& service, net::GrpcOpening opening,
                                                    net::GrpcWriter writer);

}  // namespace headrace::oip
