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
//                         (MLflow); a record that lacks a name of another's has null there, as pandas reads them
//   application/jsonlines a row a line
//   text/csv              a row a line, RFC 4180; the first line is a header when none of its fields is a number
// Their JSON may have NaN (read as null, which is NaN in a column of floating-point numbers), Infinity and -Infinity.
// An empty content type is JSON, as is that of an HTML form, which curl sends unasked. kUnimplemented for a content
// type that TakesContentType does not, kInvalidArgument for a body that is not of its form.
Result<Batch> ParseBatch(std::string_view content_type, std::string_view body);

// Whether there is a form of that type; in any case, as UTF-8.
bool TakesContentType(std::string_view content_type);

}  // namespace headrace::scoring
