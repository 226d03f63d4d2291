// bench_floor_grpc PORT MODEL: what a gRPC model server on gRPC C++'s callback API cannot avoid; the model runs in the
// reactor's thread. ModelInfer with raw_input_contents only.
#include <grpcpp/grpcpp.h>

#include "bench/serving/native/model.h"
#include "proto/inference/grpc_service.grpc.pb.h"

namespace {

class Service final : public inference::GRPCInferenceService::CallbackService {
 public:
  explicit Service(bench::Model& model) : model_(model) {}

  grpc::ServerUnaryReactor* ModelInfer(grpc::CallbackServerContext* context,
                                       const inference::ModelInferRequest* request,
                                       inference::ModelInferResponse* response) override {
    const auto& raw = request->raw_input_contents(0);
    const auto& shape = request->inputs(0).shape();
    auto* x = reinterpret_cast<float*>(const_cast<char*>(raw.data()));
    auto values = model_.Run({x, raw.size() / sizeof(float)}, {shape.data(), static_cast<size_t>(shape.size())});
    response->set_model_name(request->model_name());
    for (size_t i = 0; i < values.size(); i++) {
      const auto output = model_.Describe(i, values[i]);
      auto* tensor = response->add_outputs();
      tensor->set_name(output.name);
      tensor->set_datatype(output.is_int64 ? "INT64" : "FP32");
      for (const int64_t dimension : output.shape) tensor->add_shape(dimension);
      response->add_raw_output_contents(output.data(), output.bytes());
    }
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  bench::Model& model_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  bench::Model model(argv[2]);
  Service service(model);
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(64 << 20);
  builder.AddListeningPort(std::string("127.0.0.1:") + argv[1], grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  builder.BuildAndStart()->Wait();
}
