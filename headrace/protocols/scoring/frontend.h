// The doors that clouds and registries expect of a model's container: Amazon SageMaker's /ping and /invocations (which
// MLflow's scoring server has too), Vertex AI's routes, and KServe's version 1 protocol.
#pragma once
#include <string>
#include <string_view>

#include "headrace/net/http.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/predictor.h"

namespace headrace::scoring {

struct FrontendOptions {
  std::string model = {};          // whom /invocations and predict_route ask; empty: the only model
  std::string health_route = {};   // Vertex AI's AIP_HEALTH_ROUTE; empty: none
  std::string predict_route = {};  // AIP_PREDICT_ROUTE
  // KServe v1's GET / , GET /v1/models and GET /v1/models/NAME, instead of TensorFlow Serving's status. Its predict is
  // TensorFlow Serving's own.
  bool kserve_v1 = false;
  Duration timeout = std::chrono::seconds(30);  // zero: none
  std::string version = {};                     // the server's
};

// Thread-safe.
//   GET /ping, GET /health    200 once every model can answer, else 503
//   POST /invocations         batch.h's bodies; {"predictions": …}, or a row a line when Accept asks for text/csv or
//                             application/jsonlines; 415 for a content type that is none of batch.h's
//   GET /version              the server's version, as MLflow's scoring server answers its own
// Errors are {"error": m, "error_code": C, "message": m}, MLflow's form.
class Frontend : public net::HttpHandler {
 public:
  // `manager` and `predictor` must outlive the server.
  Frontend(const serving::ModelManager* manager, serving::Predictor* predictor, FrontendOptions options)
      : manager_(*manager), predictor_(*predictor), options_(std::move(options)) {}
  void Handle(net::HttpRequest& request, net::HttpResponder responder) override;
  // Whether a request is this front end's; to be asked before TensorFlow Serving's.
  bool Serves(std::string_view method, std::string_view path) const;

 private:
  void Predict(net::HttpRequest& request, net::HttpResponder responder) const;
  void KServe(std::string_view path, net::HttpResponder responder) const;
  Result<serving::ServableHandle> Find() const;

  const serving::ModelManager& manager_;
  serving::Predictor& predictor_;
  const FrontendOptions options_;
};

}  // namespace headrace::scoring
