#include "headrace/protocols/scoring/frontend.h"

#include <memory>

#include "headrace/base/json.h"
#include "headrace/protocols/common/request_origin.h"
#include "headrace/protocols/scoring/answer.h"
#include "headrace/protocols/scoring/batch.h"
#include "headrace/protocols/scoring/header_text.h"
#include "headrace/protocols/scoring/value_tensor.h"

namespace headrace::scoring {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kCsv = "text/csv";
constexpr std::string_view kJsonLines = "application/jsonlines";
constexpr int kUnsupportedMediaType = 415;
constexpr std::string_view kModels = "/v1/models";

bool IsGet(std::string_view method) { return method == "GET" || method == "HEAD"; }

void SendError(const Status& status, net::HttpResponder responder, int http_status) {
  const bool request = status.code() == Code::kInvalidArgument || http_status == kUnsupportedMediaType;
  responder.Send(http_status, kJson,
                 ToJson(json::object{{"error", status.message()},
                                     {"error_code", request ? "BAD_REQUEST" : CodeName(status.code())},
                                     {"message", status.message()}}));
}
void SendError(const Status& status, net::HttpResponder responder) {
  SendError(status, std::move(responder), HttpStatus(status.code()));
}

// The first of the types in an Accept header that there is an answer in; JSON when none is.
std::string_view AnswerType(std::string_view accept) {
  while (!accept.empty()) {
    std::string_view range = TakePart(&accept, ',');
    const std::string_view type = TakePart(&range, ';');
    for (const std::string_view known : {kJson, kCsv, kJsonLines})
      if (net::EqualIgnoringCase(type, known)) return known;
    if (type == "*/*") return kJson;
  }
  return kJson;
}

// One prediction on its way, owned by its completion once it runs.
class Scoring {
 public:
  Scoring(net::HttpRequest& request, net::HttpResponder responder)
      : request_(request), responder_(std::move(responder)) {}

  // Answers, here or on an inference thread.
  static void Run(std::unique_ptr<Scoring> scoring, serving::ServableHandle servable, serving::Predictor& predictor,
                  Duration timeout) {
    if (const Status status = scoring->Prepare(servable, timeout); !status.ok()) {
      predictor.CountRefused(servable, servable.model(), status.code(), scoring->request_.arrived());
      return scoring->Finish(status);
    }
    serving::PredictCall* call = &scoring->predict_;
    predictor.Predict(call, [owned = std::move(scoring)](const Status& status) { owned->Finish(status); });
  }

 private:
  Status Prepare(serving::ServableHandle servable, Duration timeout) {
    const Signature* signature = servable.FindSignature("serving_default");
    if (signature == nullptr) signature = &servable.signatures().front();
    HR_ASSIGN_OR_RETURN(const Batch batch,
                        ParseBatch(request_.header("Content-Type").value_or(""), request_.body_text()));
    HR_ASSIGN_OR_RETURN(predict_.request.inputs, BindBatch(batch, *signature));
    form_ = batch.form;
    predict_.request.signature = signature;
    predict_.request.deadline = DeadlineOf(request_.arrived(), timeout);
    predict_.arrived = request_.arrived();
    predict_.servable = std::move(servable);
    predict_.origin = OriginOf(request_);
    return OkStatus();
  }
  void Finish(const Status& status) {
    if (!status.ok()) return Refuse(status);
    const std::string_view type = AnswerType(request_.header("Accept").value_or(""));
    auto answer = Answer(type);
    if (!answer) return SendError(answer.error(), std::move(responder_));
    responder_.body() = *std::move(answer);
    responder_.Send(200, type);
  }
  Result<std::string> Answer(std::string_view type) const {
    const Signature& signature = *predict_.request.signature;
    if (type == kCsv) return PredictionsCsv(predict_.response);
    if (type == kJsonLines) return PredictionsJsonLines(signature, predict_.request, predict_.response);
    return PredictionsJson(signature, predict_.request, predict_.response, form_);
  }
  void Refuse(const Status& status) {
    const bool taken = TakesContentType(request_.header("Content-Type").value_or(""));
    SendError(status, std::move(responder_), taken ? HttpStatus(status.code()) : kUnsupportedMediaType);
  }

  net::HttpRequest& request_;
  net::HttpResponder responder_;
  Batch::Form form_ = Batch::Form::kRows;
  serving::PredictCall predict_;
};

}  // namespace

bool Frontend::Serves(std::string_view method, std::string_view path) const {
  if (path == "/ping" || path == "/health" || path == "/version" || path == "/invocations") return true;
  if (!options_.predict_route.empty() && path == options_.predict_route) return true;
  if (!options_.health_route.empty() && path == options_.health_route) return true;
  if (!options_.kserve_v1 || !IsGet(method)) return false;
  return path == "/" || path == kModels ||
         (path.starts_with("/v1/models/") && path.find_first_of("/:", kModels.size() + 1) == path.npos);
}

void Frontend::Handle(net::HttpRequest& request, net::HttpResponder responder) {
  const std::string_view path = request.path();
  const bool predicts = path == "/invocations" || path == options_.predict_route;
  // Vertex AI may be told to use one route for both.
  if (predicts && request.method() == "POST") return Predict(request, std::move(responder));
  if (!IsGet(request.method()) || (predicts && path != options_.health_route))
    return responder.Send(405, kJson, R"({"error":"Method Not Allowed"})");
  if (path == "/version") return responder.Send(200, kJson, options_.version);
  const bool health = path == "/ping" || path == "/health" || path == options_.health_route;
  if (!health) return KServe(path, std::move(responder));
  const bool ready = manager_.Ready();
  responder.Send(ready ? 200 : 503, kJson, ready ? R"({"status":"ready"})" : R"({"status":"loading"})");
}

void Frontend::Predict(net::HttpRequest& request, net::HttpResponder responder) const {
  auto servable = Find();
  if (!servable) {
    predictor_.CountRefused({}, options_.model, servable.error().code(), request.arrived());
    return SendError(servable.error(), std::move(responder));
  }
  Scoring::Run(std::make_unique<Scoring>(request, std::move(responder)), *std::move(servable), predictor_,
               options_.timeout);
}

Result<serving::ServableHandle> Frontend::Find() const {
  std::string model = options_.model;
  if (model.empty()) {
    const auto models = manager_.Models();
    if (models.size() != 1)
      return std::unexpected(FailedPrecondition(
          "{} models are served, and this path asks the only one; use /v1/models/NAME:predict", models.size()));
    model = models[0];
  }
  return manager_.Lookup({.model = model});
}

void Frontend::KServe(std::string_view path, net::HttpResponder responder) const {
  if (path == "/") return responder.Send(200, kJson, R"({"status":"alive"})");
  if (path == kModels) {
    const auto models = manager_.Models();
    return responder.Send(200, kJson, ToJson(json::object{{"models", json::array(models.begin(), models.end())}}));
  }
  const auto name = net::PercentDecode(path.substr(kModels.size() + 1)).value_or("");
  if (!manager_.Config(name))
    return responder.Send(404, kJson, ToJson(json::object{{"error", "Model with name " + name + " does not exist."}}));
  const bool ready = manager_.Lookup({.model = name}).has_value();
  responder.Send(ready ? 200 : 503, kJson, ToJson(json::object{{"name", name}, {"ready", ready}}));
}

}  // namespace headrace::scoring
