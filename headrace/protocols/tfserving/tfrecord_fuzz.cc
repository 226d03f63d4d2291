// Any bytes are a TFRecord file, or are refused.
#include "headrace/protocols/tfserving/tfrecord.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  headrace::tfserving::TfRecordReader reader({reinterpret_cast<const char*>(data), size});
  std::string again;
  for (;;) {
    const auto record = reader.Next();
    if (!record || !*record) break;
    headrace::tfserving::AppendTfRecord(**record, &again);
  }
  // What was read is what the file begins with.
  if (!std::string_view(reinterpret_cast<const char*>(data), size).starts_with(again)) __builtin_trap();
  return 0;
}
