// The message of ModelInfer.
#include "headrace/protocols/oip/grpc_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  headrace::Arena arena;
  headrace::oip::GrpcInferCall call;
  headrace::oip::DecodeRequest({reinterpret_cast<const char*>(data), size}, &arena, &call).IgnoreError();
  return 0;
}
