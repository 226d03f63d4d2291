// An ONNX Runtime session as a Servable.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/backends/onnxruntime/ort_api.h"
#include "headrace/backends/onnxruntime/run_watchdog.h"
#include "headrace/core/engine.h"

namespace headrace::onnxruntime {

class SessionServable : public Servable {
 public:
  // What the session itself does not tell.
  struct Facts {
    size_t memory_bytes = 0;
    bool runtime_depends_on_values = true;
  };
  // Reads inputs and outputs of the loaded session. kUnimplemented for types that no tensor can hold.
  static Result<std::unique_ptr<Servable>> Make(Owned<OrtSession> session, const Facts& facts,
                                                std::shared_ptr<RunWatchdog> watchdog);
  ~SessionServable() override;

  const std::vector<Signature>& signatures() const override { return signatures_; }
  void Infer(const InferRequest& request, InferResponse* response, InferDone done) override;
  std::string_view platform() const override { return "onnxruntime_onnx"; }
  bool runtime_depends_on_values() const override { return facts_.runtime_depends_on_values; }
  size_t memory_bytes() const override { return facts_.memory_bytes; }

 private:
  enum class Kind { kTensor, kMapValues, kMapKeys, kSequence };
  struct Output {
    const char* name;  // ONNX Runtime's
    Kind kind;
  };

  SessionServable(Owned<OrtSession> session, const Facts& facts, std::shared_ptr<RunWatchdog> watchdog)
      : session_(std::move(session)), facts_(facts), watchdog_(std::move(watchdog)) {}
  Status ReadInterface();
  Status ReadOutput(std::string name, const OrtTypeInfo& type);
  Status AddMap(const std::string& name, const OrtTypeInfo& type);
  const char* Keep(std::string name);
  Status Run(const InferRequest& request, InferResponse* response);
  Status RunSession(const InferRequest& request, const OrtValue* const* inputs, std::span<const char* const> names,
                    OrtValue** outputs);
  Status RunTensors(const InferRequest& request, const OrtValue* const* inputs, InferResponse* response);
  Status RunOthers(const InferRequest& request, const OrtValue* const* inputs, InferResponse* response);

  Owned<OrtSession> session_;
  Owned<OrtMemoryInfo> memory_;
  const Facts facts_;
  const std::shared_ptr<RunWatchdog> watchdog_;
  std::vector<Signature> signatures_;
  std::vector<std::unique_ptr<const std::string>> names_;  // what the pointers below point into
  std::vector<const char*> input_names_;
  std::vector<Output> outputs_;  // by position in the signature
  bool all_tensors_ = true;
};

}  // namespace headrace::onnxruntime
