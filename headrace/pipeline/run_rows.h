// Between rows of the database and runs; inside this room only.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "headrace/core/database.h"
#include "headrace/pipeline/run.h"

namespace headrace::pipeline {

std::vector<std::vector<std::string>> RunMigrations(std::string_view dialect);

inline constexpr char kRunColumns[] =
    "key, id, pipeline, display_name, description, experiment_id, service_account, reference, parameters, "
    "pipeline_root, "
    "use_cache, archived, state, error, created_us, scheduled_us, finished_us, history";
Result<Run> RunFromRow(const SqlRow& row);
std::string HistoryText(const std::vector<RunStateChange>& history);

inline constexpr char kTaskColumns[] =
    "key, id, path, parent_path, name, display_name, kind, state, message, tries, inputs, outputs, folder, log_file, "
    "execution_id, cache_key, started_us, finished_us";
Result<TaskRecord> TaskFromRow(const SqlRow& row, const std::string& run_id);

SqlValue OptionalTime(const std::optional<TimePoint>& time);

}  // namespace headrace::pipeline
