#include "headrace/net/authorizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "headrace/base/files.h"

namespace headrace::net {
namespace {

using testing::HasSubstr;

std::string Rules() {
  return fmt::format(R"({{"clients":[
    {{"name":"shop","token_sha256":"{}","models":["flights","prices-*"],"rights":["predict"]}},
    {{"name":"ci","token_sha256":"{}","models":["*"],"rights":["predict","admin"]}},
    {{"name":"batch","certificate_subject":"CN=batch","models":["flights"],"rights":["predict"]}}]}})",
                     Sha256("shop-token"), Sha256("ci-token"));
}

class AuthorizerTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(authorizer_.Load(Rules()), OkStatus()); }
  Code Ask(std::optional<std::string_view> authorization, std::string_view model, Right right,
           std::string_view subject = "") {
    return authorizer_.Check({authorization, subject}, model, right).code();
  }
  Authorizer authorizer_;
};

TEST(AuthorizerWithoutRules, LetsEverybodyIn) { EXPECT_TRUE(Authorizer().Check({}, "m", Right::kAdmin).ok()); }

TEST_F(AuthorizerTest, GivesRightsByModel) {
  EXPECT_EQ(Ask("Bearer shop-token", "flights", Right::kPredict), Code::kOk);
  EXPECT_EQ(Ask("bearer shop-token", "prices-eu", Right::kPredict), Code::kOk);
  EXPECT_EQ(Ask("Bearer shop-token", "prices", Right::kPredict), Code::kPermissionDenied);
  EXPECT_EQ(Ask("Bearer shop-token", "flights", Right::kAdmin), Code::kPermissionDenied);
  EXPECT_EQ(Ask("Bearer shop-token", "", Right::kPredict), Code::kPermissionDenied);
  EXPECT_EQ(Ask("Bearer ci-token", "anything", Right::kAdmin), Code::kOk);
  EXPECT_EQ(Ask("Bearer ci-token", "", Right::kAdmin), Code::kOk);
}

TEST_F(AuthorizerTest, NamesWhomItLetsThrough) {
  ClientName name;
  ASSERT_TRUE(authorizer_.Check({"Bearer shop-token", ""}, "flights", Right::kPredict, &name).ok());
  EXPECT_EQ(*name, "shop");
  ASSERT_FALSE(authorizer_.Check({"Bearer wrong", ""}, "flights", Right::kPredict, &name).ok());
  EXPECT_EQ(*name, "shop") << "as it was";
  ASSERT_EQ(authorizer_.Load(R"({"clients":[]})"), OkStatus());
  EXPECT_EQ(*name, "shop") << "its rules are gone";
}

TEST_F(AuthorizerTest, RefusesWhoeverIsNotKnown) {
  EXPECT_EQ(Ask(std::nullopt, "flights", Right::kPredict), Code::kUnauthenticated);
  EXPECT_EQ(Ask("Bearer wrong", "flights", Right::kPredict), Code::kUnauthenticated);
  EXPECT_EQ(Ask("Bearer ", "flights", Right::kPredict), Code::kUnauthenticated);
  EXPECT_EQ(Ask("Basic c2hvcA==", "flights", Right::kPredict), Code::kUnauthenticated);
}

TEST_F(AuthorizerTest, KnowsClientCertificates) {
  EXPECT_EQ(Ask(std::nullopt, "flights", Right::kPredict, "CN=batch"), Code::kOk);
  EXPECT_EQ(Ask(std::nullopt, "flights", Right::kPredict, "CN=other"), Code::kUnauthenticated);
  // A token that is shown counts, whatever the certificate says.
  EXPECT_EQ(Ask("Bearer wrong", "flights", Right::kPredict, "CN=batch"), Code::kUnauthenticated);
}

TEST_F(AuthorizerTest, KeepsItsRulesWhenNewOnesAreWrong) {
  const auto refused = [&](std::string_view rules) { return authorizer_.Load(rules).message(); };
  EXPECT_THAT(refused("[]"), HasSubstr("clients"));
  EXPECT_THAT(refused(R"({"clients":[{"name":"a","models":["*"],"rights":["predict"]}]})"), HasSubstr("clients[0]"));
  EXPECT_THAT(refused(R"({"clients":[{"name":"a","token_sha256":"ABC","models":["*"],"rights":["predict"]}]})"),
              HasSubstr("64 lower-case"));
  EXPECT_THAT(refused(R"({"clients":[{"name":"a","certificate_subject":"CN=a","models":["*"],"rights":["fly"]}]})"),
              HasSubstr("\"fly\""));
  EXPECT_THAT(refused(R"({"clients":[{"name":"a","certificate_subject":"CN=a","models":[],"rights":["admin"]}]})"),
              HasSubstr("\"models\""));
  EXPECT_EQ(Ask("Bearer ci-token", "flights", Right::kPredict), Code::kOk);
}

}  // namespace
}  // namespace headrace::net
