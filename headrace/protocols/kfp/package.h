// The pipeline in an uploaded file: YAML itself, or in a zip or tar.gz archive.
#pragma once
#include <string>
#include <string_view>

#include "headrace/base/status.h"

namespace headrace::kfp {

inline constexpr size_t kLargestPackage = 32 << 20;  // packed and unpacked

// The YAML (or JSON) text. In an archive: pipeline.yaml, else its first file, which must be YAML. What the file is, is
// told by its first bytes. kInvalidArgument says what is wrong with the archive.
Result<std::string> ExtractPipeline(std::string_view bytes);

}  // namespace headrace::kfp
