// The bodies that scoring endpoints take, as columns of JSON values.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"

namespace headrace::scoring {

// A body's content. `columns` are values by name; one without a name ("") is a matrix or a list of values, for models
// with one input or whose inputs are its columns by position.
struct Batch {
  enum class Form {
    kRows,     // "instances", JSON lines, and what has no other form: rows of a first dimension
    kColumns,  // "inputs": whole tensors
    kTable,    // data frames and CSV: a column is a vector of one value a row
  };
  Form form = Form::kRows;
  std::vector<std::pair<std::string, json::array>> columns;
};

// By content type:
//   application/json      {"instances": [...]} and {"inputs": {...}} (TensorFlow Serving, Vertex AI, MLflow),
//                         {"dataframe_split": {"columns": [...], "data": [[...]]}}, {"dataframe_records": [{...}]}
//                         (MLflow)
//   application/jsonlines a row a line
//   text/csv              a row a line, RFC 4180; the first line is a header when none of its fields is a number
// An empty content type is JSON. kUnimplemented for another one, kInvalidArgument for a body that is not of its form.
Result<Batch> ParseBatch(std::string_view content_type, std::string_view body);

}  // namespace headrace::scoring
