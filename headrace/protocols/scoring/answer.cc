#include "headrace/protocols/scoring/answer.h"

#include <optional>

#include "headrace/protocols/common/json_text.h"

namespace headrace::scoring {
namespace {

// The first dimension that all outputs have.
std::optional<size_t> Rows(const InferResponse& response) {
  std::optional<size_t> rows;
  for (const Tensor& tensor : response.outputs) {
    if (tensor.shape().empty()) return std::nullopt;
    const auto size = static_cast<size_t>(tensor.shape()[0]);
    if (rows.value_or(size) != size) return std::nullopt;
    rows = size;
  }
  return rows;
}

Status NoRows() { return InvalidArgument("the outputs have no rows in common; ask for application/json"); }

// {name: value, …}, the values at `level` and `index`.
void AppendNamed(const Signature& signature, const InferRequest& request, const InferResponse& response, size_t level,
                 size_t index, std::string* out) {
  for (size_t i = 0; i < response.outputs.size(); i++) {
    *out += i == 0 ? '{' : ',';
    AppendJsonString(out, signature.outputs[request.outputs[i]].name);
    *out += ':';
    AppendJsonNested(out, response.outputs[i], level, index);
  }
  *out += '}';
}

}  // namespace

std::string PredictionsJson(const Signature& signature, const InferRequest& request, const InferResponse& response,
                            Batch::Form form) {
  std::string out = "{\"predictions\":";
  const auto rows = Rows(response);
  if (response.outputs.size() == 1) {
    AppendJsonNested(&out, response.outputs[0], 0, 0);
  } else if (form == Batch::Form::kColumns || !rows) {
    AppendNamed(signature, request, response, 0, 0, &out);
  } else {
    out += '[';
    for (size_t row = 0; row < *rows; row++) {
      if (row > 0) out += ',';
      AppendNamed(signature, request, response, 1, row, &out);
    }
    out += ']';
  }
  return out + "}";
}

Result<std::string> PredictionsJsonLines(const Signature& signature, const InferRequest& request,
                                         const InferResponse& response) {
  const auto rows = Rows(response);
  if (!rows) return std::unexpected(NoRows());
  std::string out;
  for (size_t row = 0; row < *rows; row++) {
    if (response.outputs.size() == 1)
      AppendJsonNested(&out, response.outputs[0], 1, row);
    else
      AppendNamed(signature, request, response, 1, row, &out);
    out += '\n';
  }
  return out;
}

Result<std::string> PredictionsCsv(const InferResponse& response) {
  const auto rows = Rows(response);
  if (!rows) return std::unexpected(NoRows());
  std::string out;
  for (size_t row = 0; row < *rows; row++) {
    for (size_t i = 0; i < response.outputs.size(); i++) {
      const Tensor& tensor = response.outputs[i];
      const size_t width = static_cast<size_t>(tensor.size()) / *rows;
      if (i > 0) out += ',';
      AppendJsonElements(&out, tensor, row * width, width);
    }
    out += '\n';
  }
  return out;
}

}  // namespace headrace::scoring
