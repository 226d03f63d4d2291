// Any text: reading it as a schema ends with a schema or a Status, and what is written of a schema reads back the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "headrace/data/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using headrace::data::ReadSchema;
  using headrace::data::WriteSchema;
  const auto schema = ReadSchema(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.yaml");
  if (!schema) return 0;
  const std::string text = WriteSchema(*schema);
  const auto again = ReadSchema(text, "written.yaml");
  if (!again || WriteSchema(*again) != text) std::abort();
  return 0;
}
