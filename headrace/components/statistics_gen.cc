#include <fmt/format.h>

#include "headrace/components/component.h"
#include "headrace/components/statistics_file.h"

namespace headrace::components {
namespace {

class StatisticsGenComponent : public Component {
 public:
  std::string_view name() const override { return "StatisticsGen"; }
  std::string_view summary() const override { return "Describes the columns of each split in numbers."; }
  std::vector<Port> inputs() const override { return {{"examples", "Dataset", "what ExampleGen made"}}; }
  std::vector<Port> parameters() const override { return {}; }
  std::vector<Port> outputs() const override {
    return {{"statistics", "Artifact", "statistics.json: tensorflow_metadata's DatasetFeatureStatisticsList as JSON"}};
  }

  Status Run(const ExecutorInput& input, const Services& services, ExecutorOutput& output) const override {
    HR_ASSIGN_OR_RETURN(const auto examples, input.Input("examples"));
    HR_ASSIGN_OR_RETURN(const auto folder, examples.Path());
    HR_ASSIGN_OR_RETURN(TaskArtifact artifact, input.Output("statistics"));
    HR_ASSIGN_OR_RETURN(const auto path, artifact.Path());
    HR_ASSIGN_OR_RETURN(const auto statistics, data::ComputeStatistics(*services.query, folder));
    HR_RETURN_IF_ERROR(WriteStatistics(path, statistics));
    // ExampleValidator looks here for the rows behind an anomaly.
    artifact.metadata["examples_uri"] = examples.uri;
    json::object rows;
    for (const auto& dataset : statistics.datasets) {
      rows[dataset.name] = dataset.num_examples;
      services.print(fmt::format("statistics: {} {} rows, {} columns\n", dataset.name, dataset.num_examples,
                                 dataset.features.size()));
    }
    artifact.metadata["rows"] = rows;
    output.AddArtifact(std::move(artifact));
    return OkStatus();
  }
};

}  // namespace

const Component& StatisticsGen() {
  static const StatisticsGenComponent component;
  return component;
}

}  // namespace headrace::components
