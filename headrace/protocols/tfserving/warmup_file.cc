#include "headrace/protocols/tfserving/warmup_file.h"

#include <optional>
#include <vector>

#include "headrace/base/files.h"
#include "headrace/base/log.h"
#include "headrace/protocols/tfserving/example_tasks.h"
#include "headrace/protocols/tfserving/examples.h"
#include "headrace/protocols/tfserving/model_server.h"
#include "headrace/protocols/tfserving/predict_wire.h"
#include "headrace/protocols/tfserving/tfrecord.h"
#include "headrace/serving/predictor.h"
#include "headrace/serving/warmup.h"
#include "proto/tfserving/prediction_log.pb.h"

namespace headrace::tfserving {
namespace {

namespace wire = ::tensorflow::serving;

constexpr int kMostRecords = 1000;

Result<const Signature*> SignatureNamed(const Servable& servable, std::string_view name) {
  if (name.empty()) name = kDefaultSignature;
  if (const Signature* found = servable.FindSignature(name)) return found;
  return std::unexpected(FailedPrecondition("Serving signature key \"{}\" not found.", name));
}

Status Run(InferRequest* request, Servable& servable, InferResponse* response) {
  HR_RETURN_IF_ERROR(serving::CheckRequest(request));
  return serving::InferAndWait(servable, *request, response);
}

Status RunPredict(std::string_view message, Servable& servable) {
  HR_ASSIGN_OR_RETURN(const PredictView view, ParsePredictRequest(message));
  Arena arena;
  InferRequest request;
  HR_ASSIGN_OR_RETURN(request.signature, SignatureNamed(servable, view.spec.signature));
  HR_RETURN_IF_ERROR(BindPredict(view, &arena, &request));
  InferResponse response;
  return Run(&request, servable, &response);
}

Status RunTask(const ExampleTask& task, const wire::Input& input, Servable& servable) {
  Arena arena;
  InferRequest request;
  HR_ASSIGN_OR_RETURN(request.signature, SignatureNamed(servable, task.spec.signature_name()));
  HR_RETURN_IF_ERROR(BindExamples(input, task.method, &arena, &request));
  InferResponse response;
  HR_RETURN_IF_ERROR(Run(&request, servable, &response));
  if (task.method == kClassifyMethod) {
    wire::ClassificationResult classified;
    return ToClassifications(request, response, ExampleCount(input), &classified);
  }
  wire::RegressionResult regressed;
  return ToRegressions(request, response, ExampleCount(input), &regressed);
}

template <class Request>
Status RunExamples(const Request& request, Servable& servable) {
  const std::vector<ExampleTask> tasks = TasksOf(request);
  HR_RETURN_IF_ERROR(CheckTasks(tasks));
  for (const ExampleTask& task : tasks) HR_RETURN_IF_ERROR(RunTask(task, request.input(), servable));
  return OkStatus();
}

// nullopt for a kind of record that is skipped.
std::optional<Status> RunRecord(const wire::PredictionLog& log, Servable& servable) {
  switch (log.log_type_case()) {
    case wire::PredictionLog::kPredictLog: return RunPredict(log.predict_log().request().SerializeAsString(), servable);
    case wire::PredictionLog::kClassifyLog: return RunExamples(log.classify_log().request(), servable);
    case wire::PredictionLog::kRegressLog: return RunExamples(log.regress_log().request(), servable);
    case wire::PredictionLog::kMultiInferenceLog: return RunExamples(log.multi_inference_log().request(), servable);
    case wire::PredictionLog::LOG_TYPE_NOT_SET: break;
  }
  return std::nullopt;
}

}  // namespace

Result<bool> WarmUpFromFile(const std::filesystem::path& version_dir, Servable& servable) {
  const auto path = version_dir / "assets.extra" / "tf_serving_warmup_requests";
  if (std::error_code error; !std::filesystem::exists(path, error)) return false;
  HR_ASSIGN_OR_UNEXPECTED(const std::string file, ReadFile(path));
  TfRecordReader reader(file);
  bool ran = false;
  for (int number = 1;; number++) {
    const auto record = reader.Next();
    if (!record) return std::unexpected(record.error().WithContext(path.string()));
    if (!*record) return ran;
    if (number > kMostRecords)
      return std::unexpected(InvalidArgument("{}: more than {} records", path.string(), kMostRecords));
    wire::PredictionLog log;
    if (!log.ParseFromArray((*record)->data(), static_cast<int>((*record)->size())))
      return std::unexpected(DataLoss("{}: record {} is no PredictionLog", path.string(), number));
    const std::optional<Status> status = RunRecord(log, servable);
    if (!status) {
      HR_LOG(warn, "{}: record {} is skipped: expected a predict, classify, regress or multi-inference request",
             path.string(), number);
      continue;
    }
    if (!status->ok()) return std::unexpected(status->WithContext(fmt::format("{}: record {}", path.string(), number)));
    ran = true;
  }
}

}  // namespace headrace::tfserving
