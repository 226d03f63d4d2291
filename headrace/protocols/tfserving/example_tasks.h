// What classify, regress and multi-inference requests have in common: one input for one or more signatures of a model.
#pragma once
#include <string_view>
#include <vector>

#include "headrace/base/status.h"
#include "proto/tfserving/prediction_service.pb.h"

namespace headrace::tfserving {

// Points into its request.
struct ExampleTask {
  const ::tensorflow::serving::ModelSpec& spec;
  std::string_view method;  // kClassifyMethod or kRegressMethod once CheckTasks has passed
};

std::vector<ExampleTask> TasksOf(const ::tensorflow::serving::ClassificationRequest& request);
std::vector<ExampleTask> TasksOf(const ::tensorflow::serving::RegressionRequest& request);
std::vector<ExampleTask> TasksOf(const ::tensorflow::serving::MultiInferenceRequest& request);

// kInvalidArgument when the tasks name different models or a signature twice, kUnimplemented for another method; in
// TensorFlow Serving's words.
Status CheckTasks(const std::vector<ExampleTask>& tasks);

}  // namespace headrace::tfserving
