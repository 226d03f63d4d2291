#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "headrace/base/files.h"
#include "headrace/components/component.h"
#include "headrace/components/statistics_file.h"

namespace headrace::components {
namespace {

namespace fs = std::filesystem;

// Beside the model's files in a version's folder: where it came from, so that a task that is tried again finds that its
// push was done.
constexpr std::string_view kRecord = "headrace.json";
// Where versions are written before they get their number; no server takes it for a version.
constexpr std::string_view kStaging = ".push";

// What is pushed: the same artifact, or the same content as the last version, is not pushed twice.
struct Source {
  fs::path path;
  std::string uri;
  std::string digest;
};

struct Destination {
  std::string model;
  fs::path folder;  // the model's base path: its versions are its sub-folders
};

class PusherComponent : public Component {
 public:
  std::string_view name() const override { return "Pusher"; }
  std::string_view summary() const override {
    return "Publishes a blessed model as the next version in the model server's folder.";
  }
  std::vector<Port> inputs() const override {
    return {
        {"serving_model", "Model", "the folder to publish"},
        {"blessing", "Artifact", "Evaluator's verdict; without it, or without a blessing in it, nothing is written"}};
  }
  std::vector<Port> parameters() const override {
    return {{"model_name", "text", "what the model server calls the model"},
            {"push_destination", "text", "the model's base path; default $HEADRACE_MODELS_DIR/MODEL_NAME"}};
  }
  std::vector<Port> outputs() const override {
    return {{"pushed_model", "Model", "its URI is the version's folder; metadata: model, version, pushed"}};
  }

  Status Run(const ExecutorInput& input, const Services& services, ExecutorOutput& output) const override {
    HR_ASSIGN_OR_RETURN(const Destination destination, DestinationOf(input, services));
    HR_ASSIGN_OR_RETURN(TaskArtifact artifact, input.Output("pushed_model"));
    artifact.metadata["model"] = destination.model;
    HR_ASSIGN_OR_RETURN(const std::string objection, ObjectionTo(input));
    if (!objection.empty()) {
      HR_ASSIGN_OR_RETURN(const fs::path nothing, artifact.Path());
      fs::create_directories(nothing);
      artifact.metadata["pushed"] = false;
      artifact.metadata["reason"] = objection;
      services.print(fmt::format("not pushed: {}\n", objection));
      output.AddArtifact(std::move(artifact));
      return OkStatus();
    }
    HR_ASSIGN_OR_RETURN(const auto model, input.Input("serving_model"));
    HR_ASSIGN_OR_RETURN(const fs::path source, model.Path());
    HR_ASSIGN_OR_RETURN(const std::string digest, Sha256OfTree(source));
    HR_ASSIGN_OR_RETURN(const int64_t version, Push({source, model.uri, digest}, destination, services));
    artifact.uri = (destination.folder / std::to_string(version)).string();
    artifact.metadata["version"] = std::to_string(version);
    artifact.metadata["pushed"] = true;
    artifact.metadata["source_digest"] = digest;
    output.AddArtifact(std::move(artifact));
    return OkStatus();
  }

 private:
  static Result<Destination> DestinationOf(const ExecutorInput& input, const Services& services) {
    Destination out;
    HR_ASSIGN_OR_UNEXPECTED(out.model, input.String("model_name"));
    if (out.model.find('/') != std::string::npos || out.model.starts_with('.'))
      return std::unexpected(
          InvalidArgument("parameter \"model_name\": expected a plain name, found \"{}\"", out.model));
    HR_ASSIGN_OR_UNEXPECTED(const auto folder, input.OptionalString("push_destination"));
    if (folder) {
      out.folder = fs::absolute(*folder).lexically_normal();
      return out;
    }
    const auto models = services.environment("HEADRACE_MODELS_DIR");
    if (!models)
      return std::unexpected(InvalidArgument(
          "parameter \"push_destination\": missing, and HEADRACE_MODELS_DIR is not set: name the model's base path"));
    out.folder = fs::path(*models) / out.model;
    return out;
  }

  // Why the model is not to be pushed; empty: it is blessed.
  static Result<std::string> ObjectionTo(const ExecutorInput& input) {
    const auto blessing = input.OptionalInput("blessing");
    if (!blessing) return "there is no blessing";
    HR_ASSIGN_OR_UNEXPECTED(const fs::path path, blessing->Path());
    const fs::path file = FileOf(path, "verdict.json");
    HR_ASSIGN_OR_UNEXPECTED(const std::string text, ReadFile(file));
    HR_ASSIGN_OR_UNEXPECTED(const json::value verdict, ParseJson(text));
    if (!verdict.is_object()) return std::unexpected(InvalidArgument("{}: expected a JSON object", file.string()));
    HR_ASSIGN_OR_UNEXPECTED(const auto blessed, headrace::OptionalBool(verdict.as_object(), "blessed"));
    if (blessed.value_or(false)) return "";
    return "the evaluation did not bless the model; " + file.string() + " says why";
  }

  // The versions there are.
  struct Versions {
    int64_t last = 0;
    std::optional<int64_t> same;  // that was made from this very artifact, or the last one when it has its content
  };

  static Versions Look(const fs::path& folder, const Source& source) {
    Versions out;
    std::optional<int64_t> same_content;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      int64_t number = 0;
      const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), number);
      if (failed != std::errc() || end != name.data() + name.size() || !entry.is_directory()) continue;
      out.last = std::max(out.last, number);
      const json::object record = RecordOf(entry.path());
      if (headrace::OptionalString(record, "source_digest").value_or(std::nullopt) != source.digest) continue;
      same_content = std::max(same_content.value_or(0), number);
      if (headrace::OptionalString(record, "source_uri").value_or(std::nullopt) == source.uri) out.same = number;
    }
    if (!out.same && same_content == out.last) out.same = same_content;
    return out;
  }

  // Empty for versions that came otherwise.
  static json::object RecordOf(const fs::path& version) {
    const auto text = ReadFile(version / kRecord);
    if (!text) return {};
    const auto record = ParseJson(*text);
    return record && record->is_object() ? record->as_object() : json::object();
  }

  static Result<int64_t> Push(const Source& source, const Destination& destination, const Services& services) {
    constexpr int kTries = 100;  // of other pushers taking the number first
    for (int i = 0; i < kTries; i++) {
      const Versions versions = Look(destination.folder, source);
      if (versions.same) {
        services.print(fmt::format("{} version {} is this model already\n", destination.model, *versions.same));
        return *versions.same;
      }
      const int64_t version = versions.last + 1;
      const Status status = Publish(source, destination, version);
      std::error_code not_empty;  // another push is under way there
      fs::remove(destination.folder / kStaging, not_empty);
      if (status.code() == Code::kAlreadyExists) continue;
      HR_UNEXPECTED_IF_ERROR(status);
      services.print(fmt::format("pushed {} version {} to {}\n", destination.model, version,
                                 (destination.folder / std::to_string(version)).string()));
      return version;
    }
    return std::unexpected(Aborted("{}: other pushes took every version number tried", destination.folder.string()));
  }

  // Copies aside, into a hidden folder that no server takes for a version, and renames.
  static Status Publish(const Source& source, const Destination& destination, int64_t version) {
    const fs::path staging = destination.folder / kStaging;
    std::error_code error;
    fs::create_directories(staging, error);
    if (error) return ErrnoStatus(error.value(), staging.string());
    const TempDir aside(staging);
    const fs::path copy = aside.path() / "version";
    fs::create_directories(copy);
    if (fs::is_directory(source.path))
      fs::copy(source.path, copy, fs::copy_options::recursive, error);
    else
      fs::copy_file(source.path, copy / source.path.filename(), error);
    if (error) return ErrnoStatus(error.value(), source.path.string());
    const json::value record = {{"model", destination.model},
                                {"version", version},
                                {"source_uri", source.uri},
                                {"source_digest", source.digest}};
    HR_RETURN_IF_ERROR(WriteFileAtomically(copy / kRecord, PrettyJson(record)));
    return PublishByRename(copy, destination.folder / std::to_string(version));
  }
};

}  // namespace

const Component& Pusher() {
  static const PusherComponent component;
  return component;
}

}  // namespace headrace::components
