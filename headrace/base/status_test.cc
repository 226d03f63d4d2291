#include "headrace/base/status.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace headrace {
namespace {

Status Fails() { return NotFound("model {}", "m"); }
Result<int> Gives(bool ok) {
  if (!ok) return std::unexpected(OutOfRange("no"));
  return 7;
}
Status UsesMacros(bool ok, int* out) {
  HR_ASSIGN_OR_RETURN(*out, Gives(ok));
  HR_RETURN_IF_ERROR(Gives(ok));
  return Fails();
}

TEST(Status, CarriesCodeAndText) {
  EXPECT_TRUE(OkStatus().ok());
  EXPECT_EQ(Fails().ToString(), "NOT_FOUND: model m");
  EXPECT_EQ(Fails().WithContext("load").message(), "load: model m");
  EXPECT_EQ(OkStatus().WithContext("load"), OkStatus());
}

TEST(Status, MacrosPassErrorsOn) {
  int out = 0;
  EXPECT_EQ(UsesMacros(false, &out).code(), Code::kOutOfRange);
  EXPECT_EQ(UsesMacros(true, &out).code(), Code::kNotFound);
  EXPECT_EQ(out, 7);
}

TEST(Status, EveryCodeHasANameAndAnHttpStatus) {
  for (int code = 0; code <= 16; code++) {
    EXPECT_FALSE(CodeName(static_cast<Code>(code)).empty());
    EXPECT_GE(HttpStatus(static_cast<Code>(code)), 200);
  }
  EXPECT_EQ(HttpStatus(Code::kResourceExhausted), 429);
  EXPECT_EQ(HttpStatus(Code::kCancelled), 499);
}

TEST(Status, FromErrno) {
  const Status status = ErrnoStatus(ENOENT, "/no/such");
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_EQ(status.message(), "/no/such: No such file or directory");
}

}  // namespace
}  // namespace headrace
