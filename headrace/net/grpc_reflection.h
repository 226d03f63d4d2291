// grpc.reflection: lets grpcurl and the like list a server's services and read their descriptors.
#pragma once
#include "headrace/net/grpc_call.h"

namespace headrace::net {

// Adds ServerReflection v1 and v1alpha, which describe the services that `services` has when a client asks; descriptors
// come from the protobuf files linked into the program. `services` must outlive the server.
void AddGrpcReflection(GrpcServices& services);

}  // namespace headrace::net
