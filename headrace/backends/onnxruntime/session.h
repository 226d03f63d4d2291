// An ONNX Runtime session as a Servable.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "headrace/backends/onnxruntime/ort_api.h"
#include "headrace/core/engine.h"

namespace headrace::onnxruntime {

class SessionServable : public Servable {
 public:
  // Reads inputs and outputs of the loaded session. kUnimplemented for types that no tensor can hold.
  static Result<std::unique_ptr<Servable>> Make(Owned<OrtSession> session, size_t memory_bytes);
  ~SessionServable() override;

  const std::vector<Signature>& signatures() const override { return signatures_; }
  void Infer(const InferRequest& request, InferResponse* response, InferDone done) override;
  std::string_view platform() const override { return "onnxruntime_onnx"; }
  size_t memory_bytes() const override { return memory_bytes_; }

 private:
  enum class Kind { kTensor, kMapValues, kMapKeys, kSequence };
  struct Output {
    const char* name;  // ONNX Runtime's
    Kind kind;
  };

  SessionServable(Owned<OrtSession> session, size_t memory_bytes)
      : session_(std::move(session)), memory_bytes_(memory_bytes) {}
  Status ReadInterface();
  Status ReadOutput(std::string name, const OrtTypeInfo& type);
  Status AddMap(const std::string& name, const OrtTypeInfo& type);
  const char* Keep(std::string name);
  Status Run(const InferRequest& request, InferResponse* response);
  Status RunTensors(const InferRequest& request, const OrtValue* const* inputs, InferResponse* response);
  Status RunOthers(const InferRequest& request, const OrtValue* const* inputs, InferResponse* response);

  Owned<OrtSession> session_;
  Owned<OrtMemoryInfo> memory_;
  const size_t memory_bytes_;
  std::vector<Signature> signatures_;
  std::vector<std::unique_ptr<const std::string>> names_;  // what the pointers below point into
  std::vector<const char*> input_names_;
  std::vector<Output> outputs_;  // by position in the signature
  bool all_tensors_ = true;
};

}  // namespace headrace::onnxruntime
