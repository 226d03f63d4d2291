#include "headrace/backends/tensorflow/saved_model.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "headrace/backends/tensorflow/tf_values.h"
#include "headrace/base/proto_wire.h"
#include "headrace/base/thread_pool.h"

namespace headrace::tensorflow {
namespace {

// ConfigProto (tensorflow/core/protobuf/config.proto): intra_op_parallelism_threads, inter_op_parallelism_threads,
// use_per_session_threads, and in session_inter_op_thread_pool a pool that all sessions share, for the runs that have a
// deadline. TensorFlow reads 0 threads as "all cores", as EngineOptions does.
std::string SessionConfig(const EngineOptions& options) {
  std::string config;
  ProtoWriter writer(&config);
  writer.Number(2, static_cast<uint64_t>(options.intra_op_threads));
  writer.Number(5, 1);
  writer.Number(9, 1);
  std::string pool;
  ProtoWriter(&pool).Number(1, AvailableCores());
  ProtoWriter(&pool).Bytes(2, "headrace");
  writer.Bytes(12, pool);
  return config;
}

// RunOptions.timeout_in_ms and inter_op_thread_pool = 0, the shared pool: on the calling thread there would be nobody
// to see that the time is up.
std::string RunUntil(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  std::string options;
  ProtoWriter(&options).Number(2, static_cast<uint64_t>(std::max<int64_t>(left.count(), 1)));
  return options;
}

// RunOptions.inter_op_thread_pool = -1: operations start on the calling thread.
constexpr char kRunOptions[] = "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
const TF_Buffer kOnThisThread = {kRunOptions, sizeof(kRunOptions) - 1, nullptr};

struct Options {
  explicit Options(const TfApi& tf) : api(tf), options(tf.TF_NewSessionOptions()), meta_graph(tf.TF_NewBuffer()) {}
  ~Options() {
    api.TF_DeleteSessionOptions(options);
    api.TF_DeleteBuffer(meta_graph);
  }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  const TfApi& api;
  TF_SessionOptions* const options;
  TF_Buffer* const meta_graph;
};

}  // namespace

Result<std::unique_ptr<Servable>> SavedModel::Load(const TfApi& api, const std::string& folder,
                                                   const EngineOptions& options, size_t memory_bytes) {
  auto model = std::unique_ptr<SavedModel>(new SavedModel(api, memory_bytes));
  HR_UNEXPECTED_IF_ERROR(model->Open(folder, options));
  return model;
}

SavedModel::~SavedModel() {
  const TfStatus ignored(api_);
  if (session_ != nullptr) {
    api_.TF_CloseSession(session_, ignored.get());
    api_.TF_DeleteSession(session_, ignored.get());
  }
  if (graph_ != nullptr) api_.TF_DeleteGraph(graph_);
}

Status SavedModel::Open(const std::string& folder, const EngineOptions& options) {
  const TfStatus status(api_);
  const Options load(api_);
  const std::string config = SessionConfig(options);
  api_.TF_SetConfig(load.options, config.data(), config.size(), status.get());
  HR_RETURN_IF_ERROR(status.Get());
  graph_ = api_.TF_NewGraph();
  const char* const tags[] = {"serve"};
  session_ = api_.TF_LoadSessionFromSavedModel(load.options, nullptr, folder.c_str(), tags, 1, graph_, load.meta_graph,
                                               status.get());
  HR_RETURN_IF_ERROR(status.Get());
  const std::string_view meta_graph(static_cast<const char*>(load.meta_graph->data), load.meta_graph->length);
  has_control_flow_ = HasControlFlow(meta_graph);
  HR_ASSIGN_OR_RETURN(auto graph_signatures, ReadSignatures(meta_graph));
  for (auto& graph_signature : graph_signatures) {
    Ports& ports = ports_.emplace_back();
    HR_RETURN_IF_ERROR(Resolve(graph_signature.inputs, &ports.inputs));
    HR_RETURN_IF_ERROR(Resolve(graph_signature.outputs, &ports.outputs));
    signatures_.push_back(std::move(graph_signature.signature));
  }
  return OkStatus();
}

Status SavedModel::Resolve(const std::vector<std::string>& names, std::vector<TF_Output>* out) const {
  for (const auto& name : names) {
    const size_t colon = name.rfind(':');
    int index = 0;
    if (colon != name.npos) std::from_chars(name.data() + colon + 1, name.data() + name.size(), index);
    TF_Operation* operation = api_.TF_GraphOperationByName(graph_, name.substr(0, colon).c_str());
    if (operation == nullptr || index < 0 || index >= api_.TF_OperationNumOutputs(operation))
      return DataLoss("a signature names the tensor {}, which its graph does not have", name);
    out->push_back({operation, index});
  }
  return OkStatus();
}

void SavedModel::Infer(const InferRequest& request, InferResponse* response, InferDone done) {
  done(Run(request, response));
}

Status SavedModel::Run(const InferRequest& request, InferResponse* response) {
  const auto signature = static_cast<size_t>(request.signature - signatures_.data());
  const Ports& ports = ports_[signature];
  TfTensors inputs(api_, request.inputs.size());
  for (size_t i = 0; i < request.inputs.size(); i++) {
    HR_RETURN_IF_ERROR(request.signature->inputs[i].Check(request.inputs[i]));
    inputs[i] = ToTf(api_, request.inputs[i]);
    if (inputs[i] == nullptr) return ResourceExhausted("no memory for input {}", request.signature->inputs[i].name);
  }
  boost::container::small_vector<TF_Output, 8> wanted;
  for (const uint32_t output : request.outputs) wanted.push_back(ports.outputs[output]);
  TfTensors outputs(api_, wanted.size());
  const TfStatus status(api_);
  const bool watched = !request.brief && request.deadline != Deadline::max();
  const std::string until = watched ? RunUntil(request.deadline) : std::string();
  const TF_Buffer options = watched ? TF_Buffer{until.data(), until.size(), nullptr} : kOnThisThread;
  api_.TF_SessionRun(session_, &options, ports.inputs.data(), inputs.data(), inputs.size(), wanted.data(),
                     outputs.data(), outputs.size(), nullptr, 0, nullptr, status.get());
  HR_RETURN_IF_ERROR(status.Get());
  response->outputs.clear();
  for (size_t i = 0; i < wanted.size(); i++) {
    HR_ASSIGN_OR_RETURN(Tensor output, FromTf(api_, std::exchange(outputs[i], nullptr)));
    response->outputs.push_back(std::move(output));
  }
  return OkStatus();
}

}  // namespace headrace::tensorflow
