#include "headrace/pipeline/cel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace headrace::pipeline {
namespace {

json::object Variables() {
  return {{"inputs",
           {{"parameter_values", {{"n", 5}, {"x", 2.5}, {"s", "heads"}, {"b", true}, {"text", "7"}, {"list", {1, 2}}}},
            {"artifacts", {{"model", {{"artifacts", {{{"metadata", {{"blessed", 1}}}}}}}}}}}},
          {"string_value", R"({"A_a": 10, "b": [1, {"c": "deep"}]})"}};
}

std::string Eval(std::string_view text) {
  const auto expression = CelExpression::Parse(text);
  if (!expression) return "PARSE " + expression.error().message();
  const auto value = expression->Evaluate(Variables());
  return value ? ToJson(*value) : "ERROR " + value.error().message();
}

struct Case {
  std::string_view text;
  std::string_view result;
};

class CelTest : public testing::TestWithParam<Case> {};

TEST_P(CelTest, Evaluates) { EXPECT_EQ(Eval(GetParam().text), GetParam().result); }

INSTANTIATE_TEST_SUITE_P(
    WhatTheSdkWrites, CelTest,
    testing::Values(
        Case{"inputs.parameter_values['s'] == 'heads'", "true"}, Case{"inputs.parameter_values['b'] == true", "true"},
        Case{"!(inputs.parameter_values['b'] == true) && int(inputs.parameter_values['n']) > 4", "false"},
        Case{"int(inputs.parameter_values['text']) >= 7", "true"}, Case{"inputs.parameter_values['x'] < 2.6", "true"},
        Case{"inputs.artifacts['model'].artifacts[0].metadata['blessed'] == 1.0", "true"},
        Case{"parseJson(string_value)[\"A_a\"]", "10"}, Case{"parseJson(string_value).b[1][\"c\"]", "\"deep\""}));

INSTANTIATE_TEST_SUITE_P(
    Semantics, CelTest,
    testing::Values(Case{"1 == 1.0", "true"}, Case{"1 == '1'", "false"}, Case{"null == null", "true"},
                    Case{"-3 < -2", "true"}, Case{"2 in inputs.parameter_values.list", "true"},
                    Case{"'n' in inputs.parameter_values", "true"},
                    Case{"[1, 'a', [true]] == [1.0, 'a', [true]]", "true"}, Case{"false && nope", "false"},
                    Case{"nope && false", "false"}, Case{"true || nope", "true"}, Case{"nope || true", "true"},
                    Case{"true ? 1 : nope", "1"}, Case{"size('abc') == 3", "true"},
                    Case{"has(inputs.nothing)", "false"}, Case{"has(inputs.artifacts)", "true"},
                    Case{"'heads'.startsWith('he') && 'heads'.contains('ad') && 'heads'.endsWith('s')", "true"},
                    Case{R"('it\'s \u00e9')", "\"it's é\""}, Case{"string(5)", "\"5\""}, Case{"double('1.5')", "1.5"},
                    Case{"int(2.9)", "2"}, Case{"1e3", "1000.0"}, Case{"  true\n&&\ttrue ", "true"}));

TEST(CelErrorTest, NamesTheColumnOrTheKey) {
  EXPECT_THAT(Eval("1 +"), testing::HasSubstr("column 3"));
  EXPECT_THAT(Eval("(1"), testing::HasSubstr("expected \")\", found the end"));
  EXPECT_THAT(Eval("'abc"), testing::HasSubstr("closing quote"));
  EXPECT_THAT(Eval("inputs.parameter_values['absent'] == 1"), testing::HasSubstr("no such key: absent"));
  EXPECT_THAT(Eval("'a' < 1"), testing::HasSubstr("does not compare string with int"));
  EXPECT_THAT(Eval("nope || false"), testing::HasSubstr("unknown name nope"));
  EXPECT_THAT(Eval("f(1)"), testing::HasSubstr("no function f"));
  EXPECT_THAT(Eval(std::string(100'000, '!')), testing::HasSubstr("PARSE"));
  EXPECT_THAT(Eval(std::string(10'000, '(')), testing::HasSubstr("nested deeper"));
  EXPECT_FALSE(CelExpression::Parse("1")->EvaluateBool({}).has_value());
}

TEST(CelPropertyTest, ComparisonsAgreeWithNumbers) {
  EXPECT_TRUE(rc::check([](int a, int b) {
    const auto eval = [&](std::string_view op) { return Eval(fmt::format("({}) {} ({})", a, op, b)) == "true"; };
    RC_ASSERT(eval("<") == (a < b));
    RC_ASSERT(eval(">=") == (a >= b));
    RC_ASSERT(eval("==") == (a == b));
    RC_ASSERT(eval("!=") == (a != b));
  }));
}

}  // namespace
}  // namespace headrace::pipeline
