// The OpenAPI 3.0 document (https://spec.openapis.org/oas/v3.0.3) of a model server and what it serves.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/core/engine.h"

namespace headrace::openapi {

struct ServedModel {
  std::string name;
  std::vector<int64_t> versions;      // AVAILABLE ones, descending
  std::vector<Signature> signatures;  // of the first; "serving_default" first
};

// TensorFlow Serving's and the Open Inference Protocol's paths of each model, with the schema of its own tensors, and
// the server's own paths. `secured` adds bearer authentication.
json::object Document(const std::vector<ServedModel>& models, bool secured);

}  // namespace headrace::openapi
