#include "headrace/base/json.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(ParseJson, RefusesWithThePlace) {
  for (const char* text : {"", "{", "[1,]", "{\"a\":1} x", "nul"}) {
    const auto parsed = ParseJson(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument);
    EXPECT_NE(parsed.error().message().find("at byte"), std::string::npos) << parsed.error().message();
  }
}

TEST(ParseJson, ReadsTheNearestDouble) {
  for (const double number : {29.970000000000002, 59.940000000000005, 0.1 + 0.2, 1e-320, 1.7976931348623157e308}) {
    const auto parsed = ParseJson(ToJson(json::value(json::array{number})));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->as_array()[0].as_double(), number);
  }
  EXPECT_EQ(*ParseJson("[-7, 18446744073709551615, 2.50e1]"), (json::array{-7, 18446744073709551615U, 25.0}));
}

TEST(ParseJson, BoundsDepth) {
  EXPECT_TRUE(ParseJson("[[[1]]]", 3));
  EXPECT_FALSE(ParseJson("[[[[1]]]]", 3));
}

TEST(CanonicalJson, SortsKeysAtEveryDepth) {
  EXPECT_EQ(CanonicalJson(*ParseJson(R"({"b":[{"z":1,"a":"\n"}],"a":1.5})")), R"({"a":1.5,"b":[{"a":"\n","z":1}]})");
}

TEST(PrettyJson, ParsesBackToTheSameValue) {
  const auto value = *ParseJson(R"({"a":[1,2,{"b":[]}],"c":{}})");
  EXPECT_EQ(*ParseJson(PrettyJson(value)), value);
}

TEST(Readers, NameTheFieldAndWhatWasExpected) {
  const auto object = ParseJson(R"({"port":"http","size":2.5,"none":null})")->get_object();
  EXPECT_EQ(RequiredInt(object, "port").error().message(), R"("port": expected an integer, found "http")");
  EXPECT_EQ(RequiredInt(object, "size").error().message(), R"("size": expected an integer, found 2.5)");
  EXPECT_EQ(RequiredString(object, "host").error().message(), R"("host": missing, expected a string)");
  EXPECT_EQ(OptionalBool(object, "none")->has_value(), false);
  EXPECT_EQ(*RequiredDouble(object, "size"), 2.5);
}

}  // namespace
}  // namespace headrace
