// PredictionService.Predict, the method that must be quick.
#pragma once
#include "headrace/net/grpc_call.h"
#include "headrace/protocols/tfserving/model_server.h"
#include "headrace/protocols/tfserving/predict_wire.h"

namespace headrace::tfserving {

// Finishes `call`, here or on an inference thread. `server` must outlive that.
void HandleGrpcPredict(const ModelServer& server, net::GrpcCall call);

// Whether the caller may do that; an empty model is the server as a whole.
Status CheckRight(const ModelServer& server, const net::GrpcCall& call, std::string_view model, net::Right right);
// The version that a call's model spec asks for, if the caller may. Its errors are ready for the client.
Result<serving::ServableHandle> FindServable(const ModelServer& server, const ModelSpecView& spec,
                                             const net::GrpcCall& call);
// kFailedPrecondition `Serving signature key "s" not found.`
Result<const Signature*> FindSignature(const serving::ServableHandle& servable, std::string_view name);

}  // namespace headrace::tfserving
