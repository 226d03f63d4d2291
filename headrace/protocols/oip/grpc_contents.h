// InferTensorContents: an input's elements as typed, repeated fields.
#pragma once
#include <boost/container/small_vector.hpp>
#include <string_view>

#include "headrace/core/tensor.h"
#include "headrace/protocols/common/arena.h"

namespace headrace::oip {

struct GrpcInput {
  std::string_view name, datatype;
  Shape shape;
  bool base64 = false;  // its strings stand for others: DecodeBase64Strings
  // InferTensorContents' bytes; more than one when the message was split, which concatenates their fields.
  boost::container::small_vector<std::string_view, 1> contents;
};

// The input's tensor; in place where the wire's form is memory's. kInvalidArgument when another type's field is set,
// when the count does not fill the shape, or a number is out of the type's range.
Result<Tensor> ReadContents(const GrpcInput& input, DataType type, std::string_view model, Arena* arena);

}  // namespace headrace::oip
