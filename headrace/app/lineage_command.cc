#include <fmt/core.h>

#include <memory>

#include "headrace/app/commands.h"
#include "headrace/app/data_dir.h"
#include "headrace/backends/sqlite/sqlite_database.h"
#include "headrace/metadata/lineage_store.h"
#include "headrace/metadata/lineage_text.h"

namespace headrace::app {
namespace {

using metadata::Direction;
using metadata::LineageStore;

struct LineageOptions {
  std::string what;
  std::string data_dir = DefaultDataDir();
  int depth = 100;
  bool downstream = false;
  bool full = false;
  bool as_json = false;
};

constexpr char kFooter[] =
    "WHAT is one of\n"
    "  flights/2          a version that a run pushed\n"
    "  flights            the newest version of that model\n"
    "  sha256:1a2b3c4d…   an artifact by its digest, 8 digits or more\n"
    "  /data/a.parquet    an artifact by its URI or path\n"
    "Reads the record of `headrace up` and `headrace run`, also while they are running.";

Result<std::vector<Artifact>> Find(LineageStore& store, const std::string& what) {
  if (what.starts_with("sha256:")) return store.FindByDigest(what.substr(7));
  if (what.starts_with("/") || what.find("://") != what.npos) return store.FindByUri(what);
  const auto slash = what.rfind('/');
  auto model =
      slash == what.npos ? store.FindLatestModel(what) : store.FindModel(what.substr(0, slash), what.substr(slash + 1));
  if (!model) return std::unexpected(model.error());
  return std::vector<Artifact>{*std::move(model)};
}

Status PrintLineage(const LineageOptions& options) {
  const DataDir data_dir{std::filesystem::absolute(options.data_dir).lexically_normal()};
  auto database = sqlite::OpenSqliteDatabase(data_dir.database(), {.read_only = true});
  if (!database)
    return database.error().code() == Code::kNotFound
               ? NotFound("{}: nothing has been recorded yet; --data-dir names the folder of `headrace up`",
                          data_dir.root.string())
               : database.error();
  HR_ASSIGN_OR_RETURN(const auto store, LineageStore::OpenToRead(database->get()));
  HR_ASSIGN_OR_RETURN(const auto found, Find(*store, options.what));
  if (found.empty()) return NotFound("{}: no such artifact is recorded", options.what);
  std::vector<int64_t> starts;
  starts.reserve(found.size());
  for (const auto& artifact : found) starts.push_back(artifact.id);
  const Direction direction = options.downstream ? Direction::kDownstream : Direction::kUpstream;
  HR_ASSIGN_OR_RETURN(const auto graph, store->Walk(starts, {.direction = direction, .max_depth = options.depth}));
  if (options.as_json)
    fmt::print("{}\n", ToJson(metadata::LineageJson(graph, direction)));
  else
    fmt::print("{}", metadata::LineageTree(
                         graph, {.direction = direction, .base = data_dir.root.string(), .full = options.full}));
  return OkStatus();
}

}  // namespace

void AddLineageCommand(CLI::App& program, int* exit_code) {
  auto* command = program.add_subcommand("lineage", "Print what a model, or any artifact, was made from");
  auto options = std::make_shared<LineageOptions>();
  command->footer(kFooter);
  command->add_option("WHAT", options->what, "MODEL/VERSION, MODEL, sha256:DIGEST or a URI")->required();
  command->add_option("--data-dir", options->data_dir, "Where the state is")->capture_default_str();
  command->add_option("--depth", options->depth, "At most this many executions deep")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_flag("--downstream", options->downstream, "What was made from it, instead of what it was made from");
  command->add_flag("--full", options->full, "Whole UUIDs and paths, to copy");
  command->add_flag("--json", options->as_json, "Print one JSON object");
  command->callback([options, exit_code] { *exit_code = Report("lineage", PrintLineage(*options)); });
}

}  // namespace headrace::app
