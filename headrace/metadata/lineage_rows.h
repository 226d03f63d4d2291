// Rows of the record's tables as the nouns of core/lineage.h.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "headrace/core/database.h"
#include "headrace/core/lineage.h"

namespace headrace::metadata {

// The statements that make the tables, for Migrate; they differ by dialect in how ids are given.
std::vector<std::vector<std::string>> LineageMigrations(std::string_view dialect);

// What ArtifactOf and ExecutionOf expect behind SELECT; `a` and `x` are the tables' aliases.
inline constexpr std::string_view kArtifactColumns = "a.id, a.type, a.name, a.uri, a.digest, a.metadata, a.created_us";
inline constexpr std::string_view kExecutionColumns =
    "x.id, x.type, x.name, x.state, x.parameters, x.code, x.log_uri, x.error, x.started_us, x.finished_us";

// kDataLoss when a column does not hold what was written.
Result<Artifact> ArtifactOf(const SqlRow& row);
Result<Execution> ExecutionOf(const SqlRow& row);

}  // namespace headrace::metadata
