// PredictionService.Classify, Regress and MultiInference.
#pragma once
#include "headrace/net/grpc_call.h"
#include "headrace/protocols/tfserving/model_server.h"

namespace headrace::tfserving {

// Adds the three. `server` must outlive the gRPC server.
void AddExampleMethods(const ModelServer& server, net::GrpcServices* services);

}  // namespace headrace::tfserving
