#include <fmt/format.h>

#include "headrace/base/files.h"
#include "headrace/components/component.h"
#include "headrace/data/examples.h"

namespace headrace::components {
namespace {

class ExampleGenComponent : public Component {
 public:
  std::string_view name() const override { return "ExampleGen"; }
  std::string_view summary() const override {
    return "Joins deliveries of data by a query and splits the rows, the same way each time.";
  }
  std::vector<Port> inputs() const override { return {}; }
  std::vector<Port> parameters() const override {
    return {{"base", "text", "the folder of the deliveries"},
            {"spans", "list", "the deliveries to read: [\"2013-01\", …]"},
            {"query", "SQL", "{base}: that folder, {NAME}: the spans' files base/NAME/SPAN.parquet, {spans}: the list"},
            {"split", "text", "shares of rows; default train:2,eval:1"},
            {"split_columns", "list", "the columns that decide a row's split; default all"}};
  }
  std::vector<Port> outputs() const override {
    return {
        {"examples", "Dataset", "a folder of Parquet files for each split; metadata: rows and sources with digests"}};
  }

  Status Run(const ExecutorInput& input, const Services& services, ExecutorOutput& output) const override {
    data::ExamplesRequest request;
    HR_ASSIGN_OR_RETURN(const std::string base, input.String("base"));
    request.base = std::filesystem::absolute(base).lexically_normal();
    HR_ASSIGN_OR_RETURN(request.spans, input.StringList("spans"));
    HR_ASSIGN_OR_RETURN(const auto query, input.OptionalString("query"));
    request.query = query.value_or("");
    HR_RETURN_IF_ERROR(ReadSplits(input, request));
    HR_ASSIGN_OR_RETURN(TaskArtifact examples, input.Output("examples"));
    HR_ASSIGN_OR_RETURN(const auto folder, examples.Path());
    HR_ASSIGN_OR_RETURN(const auto made, data::GenerateExamples(*services.query, request, folder));
    HR_RETURN_IF_ERROR(Describe(made, request, services, examples));
    output.AddArtifact(std::move(examples));
    return OkStatus();
  }

 private:
  static Status ReadSplits(const ExecutorInput& input, data::ExamplesRequest& request) {
    HR_ASSIGN_OR_RETURN(request.split_columns, input.StringList("split_columns"));
    const json::value* split = input.parameters().if_contains("split");
    if (split == nullptr || split->is_null()) return OkStatus();
    const std::string text = split->is_string() ? std::string(split->as_string()) : ToJson(*split);
    if (text.empty()) return OkStatus();
    HR_ASSIGN_OR_RETURN(request.splits, data::ParseSplits(text));
    return OkStatus();
  }

  static Status Describe(const data::Examples& made, const data::ExamplesRequest& request, const Services& services,
                         TaskArtifact& artifact) {
    json::object rows;
    std::string text = "examples:";
    for (const auto& [split, count] : made.counts) {
      rows[split] = count;
      text += fmt::format(" {} {} rows", split, count);
    }
    for (const auto& file : made.sources) HR_RETURN_IF_ERROR(artifact.AddSource(file));
    text += fmt::format(", from {} files\n", made.sources.size());
    json::array spans(request.spans.begin(), request.spans.end());
    artifact.metadata["rows"] = rows;
    artifact.metadata["spans"] = spans;
    services.print(text);
    return OkStatus();
  }
};

}  // namespace

const Component& ExampleGen() {
  static const ExampleGenComponent component;
  return component;
}

}  // namespace headrace::components
