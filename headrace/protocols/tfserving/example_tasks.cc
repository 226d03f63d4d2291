#include "headrace/protocols/tfserving/example_tasks.h"

#include <set>

#include "headrace/protocols/tfserving/examples.h"

namespace headrace::tfserving {

namespace wire = ::tensorflow::serving;

std::vector<ExampleTask> TasksOf(const wire::ClassificationRequest& request) {
  return {{request.model_spec(), kClassifyMethod}};
}

std::vector<ExampleTask> TasksOf(const wire::RegressionRequest& request) {
  return {{request.model_spec(), kRegressMethod}};
}

std::vector<ExampleTask> TasksOf(const wire::MultiInferenceRequest& request) {
  std::vector<ExampleTask> tasks;
  for (const auto& task : request.tasks()) tasks.push_back({task.model_spec(), task.method_name()});
  return tasks;
}

Status CheckTasks(const std::vector<ExampleTask>& tasks) {
  std::set<std::string_view> signatures;
  for (const ExampleTask& task : tasks) {
    if (task.spec.name() != tasks.front().spec.name())
      return InvalidArgument("All ModelSpecs in a MultiInferenceRequest must access the same model name.");
    if (!signatures.insert(task.spec.signature_name()).second)
      return InvalidArgument("Duplicate evaluation of signature: {}", task.spec.signature_name());
    if (task.method != kClassifyMethod && task.method != kRegressMethod)
      return Unimplemented("Unsupported signature method_name: {}", task.method);
  }
  return OkStatus();
}

}  // namespace headrace::tfserving
