// Any file: reading a pipeline ends with a pipeline or a Status.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "headrace/pipeline/ir.h"
#include "headrace/pipeline/scheduler.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace::pipeline;
  const auto spec = ReadPipelineFile({reinterpret_cast<const char*>(data), size});
  if (!spec) return 0;
  const auto pipeline = ParsePipeline(*spec);
  if (!pipeline) return 0;
  if (auto scheduler = Scheduler::Create(*pipeline, {}, {}); scheduler) (*scheduler)->Start();
  return 0;
}
