// grpc.health.v1.Health: Check and Watch.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "headrace/base/mutex.h"
#include "headrace/net/grpc_call.h"

namespace headrace::net {

// Thread-safe. Must outlive the server.
class GrpcHealth {
 public:
  // "" (the server as a whole) is SERVING from the start.
  GrpcHealth();
  void AddTo(GrpcServices& services);
  void SetServing(const std::string& service, bool serving);
  // Every service NOT_SERVING from now on, and every watch ended: the server is about to stop.
  void Shutdown();

 private:
  class Watch;
  struct Watcher {
    std::string service;
    GrpcWriter writer;
  };
  int StatusOf(const std::string& service) const HR_REQUIRES(mutex_);
  void Notify(const std::string& service) HR_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::map<std::string, bool> serving_ HR_GUARDED_BY(mutex_);
  std::map<const Watch*, Watcher> watchers_ HR_GUARDED_BY(mutex_);
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
};

}  // namespace headrace::net
