// Statistics as an artifact: a folder with statistics.json.
#pragma once
#include <filesystem>

#include "headrace/base/status.h"
#include "headrace/components/executor_io.h"
#include "headrace/data/statistics.h"

namespace headrace::components {

// `path` is the artifact's folder, or the file itself.
Result<data::Statistics> ReadStatistics(const std::filesystem::path& path);
Status WriteStatistics(const std::filesystem::path& folder, const data::Statistics& statistics);

// The file that an artifact's path stands for: `path/name`, or `path` when that is a file.
std::filesystem::path FileOf(const std::filesystem::path& path, std::string_view name);

}  // namespace headrace::components
