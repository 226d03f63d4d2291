// A model server with both front ends, for tests: models of serving's AddEngine ("y" is "x" plus the number in
// add.txt).
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "headrace/net/grpc_server.h"
#include "headrace/net/http_server.h"
#include "headrace/protocols/oip/grpc_frontend.h"
#include "headrace/protocols/oip/rest_frontend.h"
#include "headrace/serving/engine_test_util.h"

namespace headrace::oip {

class TestServer {
 public:
  // Serves the folders that `publish` has put below the path it is given.
  template <class Publish>
  explicit TestServer(Publish publish) : manager_({.engines = {&engine_}}) {
    std::filesystem::create_directories(models());
    publish(models());
    serving::ServerConfig config;
    config.models_root = models().string();
    Check(manager_.SetConfig(config));
    Check(manager_.WaitAvailable({}, serving::In(std::chrono::seconds(30))));
    http_ = *net::HttpServer::Start({}, &rest_);
    net::GrpcServices services;
    AddGrpcMethods(&service_, &services);
    grpc_ = *net::GrpcServer::Start({}, std::move(services));
  }
  ~TestServer() {
    http_->Stop(Deadline::min());
    grpc_->Stop(Deadline::min());
  }

  std::filesystem::path models() const { return folder_.path() / "models"; }
  std::string http() const { return "http://127.0.0.1:" + std::to_string(http_->port()); }
  std::string grpc() const { return "127.0.0.1:" + std::to_string(grpc_->port()); }
  serving::ModelManager& manager() { return manager_; }

 private:
  static void Check(const Status& status) { EXPECT_EQ(status, OkStatus()); }

  const TempDir folder_{std::filesystem::temp_directory_path()};
  serving::AddEngine engine_;
  serving::ModelManager manager_;
  serving::Predictor predictor_{{.threads = 2}};
  ModelService service_{{.manager = &manager_, .predictor = &predictor_, .server_version = "1.2.3"}};
  RestFrontend rest_{&service_};
  std::unique_ptr<net::HttpServer> http_;
  std::unique_ptr<net::GrpcServer> grpc_;
};

}  // namespace headrace::oip
