// Any bytes as the trained model: assembling ends with a model or a Status.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "headrace/data/assemble.h"
#include "headrace/data/transform_graph.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using headrace::data::BuildTransformGraph;
  static const std::string transform =
      BuildTransformGraph({{"x", "x", headrace::data::InputKind::kNumber, {headrace::data::FittedStep{}}}});
  (void)headrace::data::AssembleModel(transform, std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
