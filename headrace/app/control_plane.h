// The HTTP door of `headrace up`: KFP's REST API and a page that says what is where.
#pragma once
#include <memory>
#include <string>

#include "headrace/app/origin_guard.h"
#include "headrace/app/pipeline_runtime.h"
#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/base/thread_pool.h"
#include "headrace/net/http_server.h"
#include "headrace/net/router.h"

namespace headrace::app {

class ControlPlane {
 public:
  // Listens when it returns. `runtime` outlives it. kUnavailable when the port is taken.
  static Result<std::unique_ptr<ControlPlane>> Start(const std::string& host, int port, PipelineRuntime* runtime);
  ~ControlPlane();
  int port() const { return server_->port(); }
  // Lets requests in flight finish until `deadline`.
  void Stop(Deadline deadline);

 private:
  explicit ControlPlane(bool loopback);
  ThreadPool pool_;
  net::Router router_;
  OriginGuard guard_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace headrace::app
