// The answer of a scoring endpoint.
#pragma once
#include <string>

#include "headrace/core/engine.h"
#include "headrace/protocols/scoring/batch.h"

namespace headrace::scoring {

// {"predictions": …}: of one output a list of its rows (the tensor itself when the request was in columns); of several
// a list of objects {output: row}, or an object of tensors when they have no common first dimension or the request was
// in columns.
std::string PredictionsJson(const Signature& signature, const InferRequest& request, const InferResponse& response,
                            Batch::Form form);
// The rows of PredictionsJson's list, one a line. kInvalidArgument when the outputs have no common first dimension.
Result<std::string> PredictionsJsonLines(const Signature& signature, const InferRequest& request,
                                         const InferResponse& response);
// A line a row: the elements of the row, of all outputs one after another. kInvalidArgument when the outputs have no
// common first dimension.
Result<std::string> PredictionsCsv(const InferResponse& response);

}  // namespace headrace::scoring
