#include "headrace/app/control_plane.h"

#include "headrace/protocols/kfp/kfp_api.h"

namespace headrace::app {
namespace {

constexpr size_t kThreads = 8;
constexpr size_t kMaxQueued = 1024;
constexpr size_t kMaxBody = 64 << 20;

constexpr char kIndex[] =
    "Headrace's control plane.\n\n"
    "  /apis/v2beta1/                      Kubeflow Pipelines' REST API, for kfp.Client(host=\"http://this address\")\n"
    "  /api/v1/runs/RUN_ID/log/TASK        a task's log\n"
    "  /healthz                            200 while it serves\n";

void AddOwnRoutes(net::Router* router) {
  using net::RouteRequest;
  using net::RouteResponse;
  router->Add("GET", "/", [](RouteRequest&) -> Result<RouteResponse> { return net::TextResponse(kIndex); });
  router->Add("GET", "/healthz", [](RouteRequest&) -> Result<RouteResponse> { return net::TextResponse("OK\n"); });
}

}  // namespace

ControlPlane::ControlPlane(bool loopback)
    : pool_("control", kThreads, kMaxQueued), router_(&pool_), guard_(&router_, loopback) {}

ControlPlane::~ControlPlane() { Stop(Deadline::min()); }

Result<std::unique_ptr<ControlPlane>> ControlPlane::Start(const std::string& host, int port, PipelineRuntime* runtime) {
  std::unique_ptr<ControlPlane> plane(new ControlPlane(IsLoopback(host)));
  AddOwnRoutes(&plane->router_);
  kfp::AddKfpRoutes({.experiments = &runtime->experiments(),
                     .pipelines = &runtime->pipelines(),
                     .runs = &runtime->runs(),
                     .recurring = &runtime->recurring()},
                    &plane->router_);
  net::HttpServerOptions options;
  options.address = host;
  options.port = port;
  options.max_body_bytes = kMaxBody;
  HR_ASSIGN_OR_UNEXPECTED(plane->server_, net::HttpServer::Start(std::move(options), &plane->guard_));
  return plane;
}

void ControlPlane::Stop(Deadline deadline) {
  if (server_) server_->Stop(deadline);
  pool_.Shutdown();
}

}  // namespace headrace::app
