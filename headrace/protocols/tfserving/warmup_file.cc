#include "headrace/protocols/tfserving/warmup_file.h"

#include <chrono>

#include "headrace/base/files.h"
#include "headrace/base/log.h"
#include "headrace/protocols/tfserving/model_server.h"
#include "headrace/protocols/tfserving/predict_wire.h"
#include "headrace/protocols/tfserving/tfrecord.h"
#include "headrace/serving/predictor.h"
#include "headrace/serving/warmup.h"
#include "proto/tfserving/prediction_log.pb.h"

namespace headrace::tfserving {
namespace {

constexpr int kMostRecords = 1000;

Status RunPredict(std::string_view message, Servable& servable) {
  HR_ASSIGN_OR_RETURN(const PredictView view, ParsePredictRequest(message));
  const std::string_view name = view.spec.signature.empty() ? kDefaultSignature : view.spec.signature;
  Arena arena;
  InferRequest request;
  request.signature = servable.FindSignature(name);
  if (request.signature == nullptr) return FailedPrecondition("Serving signature key \"{}\" not found.", name);
  HR_RETURN_IF_ERROR(BindPredict(view, &arena, &request));
  HR_RETURN_IF_ERROR(serving::CheckRequest(&request));
  InferResponse response;
  return serving::InferAndWait(servable, request, &response);
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
    ::tensorflow::serving::PredictionLog log;
    if (!log.ParseFromArray((*record)->data(), static_cast<int>((*record)->size())))
      return std::unexpected(DataLoss("{}: record {} is no PredictionLog", path.string(), number));
    if (!log.has_predict_log()) {
      HR_LOG(warn, "{}: record {} is no Predict request, skipped", path.string(), number);
      continue;
    }
    const Status status = RunPredict(log.predict_log().request().SerializeAsString(), servable);
    if (!status.ok()) return std::unexpected(status.WithContext(fmt::format("{}: record {}", path.string(), number)));
    ran = true;
  }
}

}  // namespace headrace::tfserving
