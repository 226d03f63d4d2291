// A PredictRequest's bytes; each of its tensors is read, written and read again.
#include <cstdlib>
#include <string>

#include "headrace/protocols/tfserving/predict_wire.h"
#include "headrace/protocols/tfserving/tensor_wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto view = tfserving::ParsePredictRequest(bytes);
  if (!view) return 0;
  for (const auto& input : view->inputs) {
    Arena arena;
    const auto tensor = tfserving::ParseTensor(input.tensor, input.name, &arena);
    if (!tensor || tensor->size() > 1 << 16) continue;
    for (const bool content : {false, true}) {
      std::string written;
      tfserving::AppendTensorMessage(*tensor, content, &written);
      if (written.size() != tfserving::TensorMessageSize(*tensor, content)) std::abort();
      const auto again = tfserving::ParseTensor(written, input.name, &arena);
      if (!again || again->shape() != tensor->shape() || again->type() != tensor->type()) std::abort();
    }
  }
  return 0;
}
