// Any JSON: as a transform's specification, as thresholds and as statistics it ends with a value or a Status.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "headrace/data/statistics.h"
#include "headrace/data/transform_spec.h"
#include "headrace/data/verdict.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace hr = headrace::data;
  const auto value = headrace::ParseJson(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!value) return 0;
  if (const auto statistics = hr::StatisticsFromJson(*value); statistics) (void)hr::ToJsonValue(*statistics);
  if (!value->is_object()) return 0;
  (void)hr::ParseThresholds(value->as_object());
  auto spec = hr::ParseTransformSpec(value->as_object());
  if (!spec) return 0;
  const std::vector<hr::SourceColumn> columns = {{"x", "DOUBLE", hr::FeatureType::kFloat},
                                                 {"s", "VARCHAR", hr::FeatureType::kString},
                                                 {"i", "INTEGER", hr::FeatureType::kInt}};
  hr::CheckSpec(columns, &*spec).IgnoreError();
  return 0;
}
