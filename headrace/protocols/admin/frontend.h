// What an operator changes while the model server runs, over REST:
//   GET, PUT, DELETE /admin/models/NAME/traffic   headrace.serving.v1.TrafficPolicy; DELETE: all to the latest version
//   GET, PUT         /admin/models/NAME/labels    headrace.serving.v1.ModelLabels
// Bodies are protobuf's JSON form. A change is whole or not at all, holds for the requests that follow, and lasts until
// the configuration is next read (from its file or by HandleReloadConfigRequest). Answers are the state after the call;
// errors {"error": message}: 400 names the field or the version that is not loaded, 404 the model.
#pragma once
#include <string_view>

#include "headrace/base/thread_pool.h"
#include "headrace/net/http.h"
#include "headrace/serving/model_manager.h"

namespace headrace::admin {

// Thread-safe.
class Frontend : public net::HttpHandler {
 public:
  // `manager` must outlive this.
  explicit Frontend(serving::ModelManager* manager) : manager_(*manager) {}
  void Handle(net::HttpRequest& request, net::HttpResponder responder) override;
  static bool Serves(std::string_view path) { return path.starts_with("/admin/"); }

 private:
  serving::ModelManager& manager_;
  ThreadPool changes_{"hr-admin", 1, 16};  // a change waits for the one before it
};

}  // namespace headrace::admin
