// PredictionService.Predict, the method that must be quick.
#pragma once
#include "headrace/net/grpc_call.h"
#include "headrace/protocols/tfserving/model_server.h"
#include "headrace/protocols/tfserving/predict_wire.h"

namespace headrace::tfserving {

// Finishes `call`, here or on an inference thread. `server` must outlive that.
void HandleGrpcPredict(const ModelServer& server, net::GrpcCall call);

// The version that a call's model spec asks for. Its errors are ready for the client.
Result<serving::ServableHandle> FindServable(const ModelServer& server, const ModelSpecView& spec,
                                             const net::GrpcCall& call);
// kFailedPrecondition `Serving signature key "s" not found.`
Result<const Signature*> FindSignature(const serving::ServableHandle& servable, std::string_view name);

}  // namespace headrace::tfserving
