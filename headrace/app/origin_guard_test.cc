#include "headrace/app/origin_guard.h"

#include <gtest/gtest.h>

namespace headrace::app {
namespace {

TEST(CheckOrigin, ProgramsAndTheServersOwnPagesPass) {
  EXPECT_TRUE(CheckOrigin("POST", "127.0.0.1:8080", "", true).ok());
  EXPECT_TRUE(CheckOrigin("POST", "localhost:8080", "http://LOCALHOST:8080", true).ok());
  EXPECT_TRUE(CheckOrigin("DELETE", "[::1]:8080", "http://[::1]:8080", true).ok());
  EXPECT_TRUE(CheckOrigin("POST", "ml.example.com", "https://ml.example.com", false).ok());
  EXPECT_TRUE(CheckOrigin("GET", "localhost", "https://elsewhere.example", true).ok());  // the browser hides the answer
}

TEST(CheckOrigin, PagesOfOtherSitesDoNot) {
  for (const char* origin : {"https://elsewhere.example", "null", "http://localhost:3000", "localhost:8080"})
    EXPECT_EQ(CheckOrigin("POST", "localhost:8080", origin, true).code(), Code::kPermissionDenied) << origin;
  EXPECT_EQ(CheckOrigin("POST", "ml.example.com", "https://elsewhere.example", false).code(), Code::kPermissionDenied);
}

TEST(CheckOrigin, NamesThatResolveToThisMachineAreRefusedOnLoopback) {
  EXPECT_EQ(CheckOrigin("GET", "rebound.example:8080", "", true).code(), Code::kPermissionDenied);
  EXPECT_EQ(CheckOrigin("POST", "rebound.example:8080", "http://rebound.example:8080", true).code(),
            Code::kPermissionDenied);
  EXPECT_TRUE(CheckOrigin("GET", "rebound.example:8080", "", false).ok());
}

}  // namespace
}  // namespace headrace::app
