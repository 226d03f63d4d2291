// Reads tensors whose shape only the nesting of their JSON tells, straight into their memory. For this room's .cc
// files: it brings simdjson along.
//
// Errors are kInvalidArgument in TensorFlow Serving's words; kUnimplemented for element types that its REST API does
// not take (half precision, complex numbers).
#pragma once
#include <simdjson.h>

#include <cstddef>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/core/engine.h"
#include "headrace/protocols/common/arena.h"
#include "headrace/protocols/common/base64.h"

namespace headrace::tfserving {

inline constexpr size_t kMaxJsonDepth = 64;

// One tensor being read, of one value (column format) or of one value for each row (row format): all rows must have the
// first one's shape. The memory is the arena's; the tensor dies with it.
class JsonTensorReader {
 public:
  // Refers to all of them. `json`: the text that all values are part of.
  JsonTensorReader(const TensorSpec& spec, std::string_view json, Arena* arena);

  // Appends `value`, whatever its nesting.
  Status Read(simdjson::ondemand::value value);
  // The same for a string whose JSON was {"b64": "<text>"}; `text` is still encoded. A scalar.
  Status ReadBase64(std::string_view text);
  size_t values() const { return values_; }

  // Of the single value that was read.
  Tensor TakeValue();
  // Of all values, as rows: dimension 0 is values().
  Tensor TakeRows();

 private:
  using Value = simdjson::ondemand::value;
  template <class T>
  Status ReadNested(Value& value, size_t level);
  template <class T>
  Status ReadArray(simdjson::ondemand::array array, size_t level);
  template <class T>
  Status ReadScalar(Value& value, T* out);
  template <class T>
  Status AppendScalar(Value& value, size_t level);
  Status ReadObject(Value& value, std::string_view* out);
  Status CheckScalarLevel(Value& value, size_t level);
  Status CloseArray(size_t level, int64_t count);
  void Grow();
  Status Dispatch(Value& value);

  const TensorSpec& spec_;
  Arena* const arena_;
  const size_t element_bytes_;
  const char* const json_end_;
  const size_t max_elements_;
  Shape shape_;              // of one value; -1 where its size is not known yet
  bool rank_known_ = false;  // the first value's nesting has been seen to its ground
  size_t values_ = 0;
  char* data_ = nullptr;
  size_t count_ = 0;
  size_t capacity_ = 0;
};

// {"b64": "…"}, the object's only member: the encoded text. `*is` says whether it is one; if not, the object has been
// reset and can be read from its start.
Status TakeBase64Object(simdjson::ondemand::object& object, bool* is, std::string_view* text);

}  // namespace headrace::tfserving
