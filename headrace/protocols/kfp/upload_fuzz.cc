// What clients send: the first byte says as what the rest is read: a multipart form, a packed pipeline, a list filter.
#include <cstdint>
#include <string_view>

#include "headrace/protocols/kfp/list_query.h"
#include "headrace/protocols/kfp/multipart.h"
#include "headrace/protocols/kfp/package.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  size_t read = 0;
  switch (data[0]) {
    case 'f':
      if (const auto parts = kfp::ParseForm("multipart/form-data; boundary=b", bytes))
        for (const auto& part : *parts) read += part.content.size();
      if (read > bytes.size()) __builtin_trap();  // parts do not overlap
      break;
    case 'l':
      if (const auto list = kfp::ListRequestOf(kfp::ListQueryText{.filter = std::string(bytes)}))
        for (const auto& predicate : list->predicates)
          if (predicate.values.empty() && predicate.operation != ListOperation::kIn) __builtin_trap();
      break;
    default:
      if (const auto text = kfp::ExtractPipeline(bytes); text && text->size() > kfp::kLargestPackage) __builtin_trap();
  }
  return 0;
}
