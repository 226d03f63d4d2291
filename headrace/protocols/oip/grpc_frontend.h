// The Open Inference Protocol over gRPC: service inference.GRPCInferenceService with Triton's extensions.
#pragma once
#include "headrace/net/grpc_call.h"
#include "headrace/protocols/oip/model_service.h"

namespace headrace::oip {

// Adds the service's methods. `service` must outlive the server. Answers carry tensors in raw_output_contents;
// ModelStreamInfer answers a stream's requests in their order; shared memory is UNIMPLEMENTED.
void AddGrpcMethods(ModelService* service, net::GrpcServices* services);

}  // namespace headrace::oip
