// Any text: parsing and evaluating end with a value or a Status.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "headrace/pipeline/cel.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using headrace::pipeline::CelExpression;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const headrace::json::object variables = {
      {"inputs", {{"parameter_values", {{"a", 1}, {"b", "x"}, {"c", headrace::json::array{1, 2.5, nullptr}}}}}},
      {"string_value", R"({"a": [1, 2]})"},
  };
  if (const auto expression = CelExpression::Parse(text); expression) (void)expression->Evaluate(variables);
  return 0;
}
