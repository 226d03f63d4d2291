#include "headrace/components/statistics_file.h"

#include "headrace/base/files.h"

namespace headrace::components {
namespace {

constexpr std::string_view kFile = "statistics.json";

}  // namespace

std::filesystem::path FileOf(const std::filesystem::path& path, std::string_view name) {
  return std::filesystem::is_regular_file(path) ? path : path / name;
}

Result<data::Statistics> ReadStatistics(const std::filesystem::path& path) {
  const auto file = FileOf(path, kFile);
  HR_ASSIGN_OR_UNEXPECTED(const std::string text, ReadFile(file));
  HR_ASSIGN_OR_UNEXPECTED(const json::value value, ParseJson(text));
  auto statistics = data::StatisticsFromJson(value);
  if (!statistics) return std::unexpected(statistics.error().WithContext(file.string()));
  return statistics;
}

Status WriteStatistics(const std::filesystem::path& folder, const data::Statistics& statistics) {
  return WriteFileAtomically(folder / kFile, PrettyJson(data::ToJsonValue(statistics)));
}

}  // namespace headrace::components
