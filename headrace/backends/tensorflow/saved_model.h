// A loaded SavedModel as a Servable.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "headrace/backends/tensorflow/meta_graph.h"
#include "headrace/backends/tensorflow/tf_api.h"
#include "headrace/core/engine.h"

namespace headrace::tensorflow {

class SavedModel : public Servable {
 public:
  // Blocks while it loads. The error's code is kInvalidArgument or kDataLoss for a broken model.
  static Result<std::unique_ptr<Servable>> Load(const TfApi& api, const std::string& folder,
                                                const EngineOptions& options, size_t memory_bytes);
  ~SavedModel() override;

  const std::vector<Signature>& signatures() const override { return signatures_; }
  void Infer(const InferRequest& request, InferResponse* response, InferDone done) override;
  std::string_view platform() const override { return "tensorflow_savedmodel"; }
  bool runtime_depends_on_values() const override { return has_control_flow_; }
  size_t memory_bytes() const override { return memory_bytes_; }

 private:
  struct Ports {
    std::vector<TF_Output> inputs, outputs;  // by position in the signature
  };

  SavedModel(const TfApi& api, size_t memory_bytes) : api_(api), memory_bytes_(memory_bytes) {}
  Status Open(const std::string& folder, const EngineOptions& options);
  Status Resolve(const std::vector<std::string>& names, std::vector<TF_Output>* out) const;
  Status Run(const InferRequest& request, InferResponse* response);

  const TfApi& api_;
  const size_t memory_bytes_;
  TF_Graph* graph_ = nullptr;
  TF_Session* session_ = nullptr;
  bool has_control_flow_ = false;
  std::vector<Signature> signatures_;
  std::vector<Ports> ports_;  // by position in signatures_
};

}  // namespace headrace::tensorflow
