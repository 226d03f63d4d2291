#include "headrace/app/cross_origin.h"

#include <gtest/gtest.h>

namespace headrace::app {
namespace {

TEST(ChangesServer, IsWhatNeedsTheRightToAdminister) {
  for (const char* path : {"/v2/repository/models/m/load", "/v2/repository/models/m/unload", "/v2/logging",
                           "/v2/trace/setting", "/admin/models/m/traffic", "/v2/systemsharedmemory/region/r/register"})
    EXPECT_TRUE(ChangesServer("POST", path)) << path;
  for (const char* path : {"/v1/models/m:predict", "/v2/models/m/infer", "/v2/models/m/versions/1/infer",
                           "/v2/repository/index", "/invocations", "/v2/health/live", "/openapi.json"})
    EXPECT_FALSE(ChangesServer("POST", path)) << path;
  EXPECT_FALSE(ChangesServer("GET", "/v2/logging"));
}

}  // namespace
}  // namespace headrace::app
