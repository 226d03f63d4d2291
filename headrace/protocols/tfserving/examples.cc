#include "headrace/protocols/tfserving/examples.h"

#include <cstring>
#include <vector>

#include "headrace/core/float16.h"
#include "proto/tfserving/prediction_service.pb.h"

namespace headrace::tfserving {
namespace {

using ::tensorflow::Example;
using ::tensorflow::Feature;
using ::tensorflow::serving::Input;

// The examples of a request, each with the context's features behind its own.
class Examples {
 public:
  explicit Examples(const Input& input) {
    if (input.has_example_list_with_context()) {
      list_ = &input.example_list_with_context().examples();
      context_ = &input.example_list_with_context().context();
    } else {
      list_ = &input.example_list().examples();
    }
  }
  size_t size() const { return static_cast<size_t>(list_->size()); }
  const Feature* Find(size_t index, const std::string& name) const {
    const Feature* own = FindIn((*list_)[static_cast<int>(index)], name);
    return own != nullptr || context_ == nullptr ? own : FindIn(*context_, name);
  }
  std::string Serialized(size_t index) const {
    Example example = (*list_)[static_cast<int>(index)];
    if (context_ != nullptr)
      for (const auto& [name, feature] : context_->features().feature())
        example.mutable_features()->mutable_feature()->insert({name, feature});
    return example.SerializeAsString();
  }

 private:
  static const Feature* FindIn(const Example& example, const std::string& name) {
    const auto& features = example.features().feature();
    const auto found = features.find(name);
    return found == features.end() ? nullptr : &found->second;
  }

  const google::protobuf::RepeatedPtrField<Example>* list_;
  const Example* context_ = nullptr;
};

Status CheckMethod(const Signature& signature, std::string_view method) {
  if (signature.method == method || signature.method == kPredictMethod) return OkStatus();
  const bool classify = method == kClassifyMethod;
  return InvalidArgument("Expected {} signature method_name to be {}. Was: {}",
                         classify ? "classification" : "regression", method, signature.method);
}

bool TakesSerialized(const Signature& signature) {
  return signature.method != kPredictMethod && signature.inputs.size() == 1 &&
         signature.inputs[0].type == DataType::kString;
}

Tensor SerializedTensor(const Examples& examples) {
  std::vector<std::string> rows(examples.size());
  for (size_t i = 0; i < rows.size(); i++) rows[i] = examples.Serialized(i);
  Shape shape = {static_cast<int64_t>(rows.size())};
  return Tensor::OfStrings(std::move(shape), std::move(rows));
}

size_t ValueCount(const Feature* feature) {
  if (feature == nullptr) return 0;
  if (feature->has_bytes_list()) return static_cast<size_t>(feature->bytes_list().value_size());
  if (feature->has_float_list()) return static_cast<size_t>(feature->float_list().value_size());
  return static_cast<size_t>(feature->int64_list().value_size());
}

template <class From, class T>
void CopyValues(const From& values, T* out) {
  for (const auto value : values) *out++ = static_cast<T>(value);
}

template <class T>
bool CopyNumbers(const Feature& feature, T* out) {
  if (feature.has_int64_list())
    CopyValues(feature.int64_list().value(), out);
  else if (std::is_floating_point_v<T> && feature.has_float_list())
    CopyValues(feature.float_list().value(), out);
  else
    return false;
  return true;
}

bool CopyStrings(const Feature& feature, std::string_view* out) {
  if (!feature.has_bytes_list()) return false;
  for (const std::string& value : feature.bytes_list().value()) *out++ = value;
  return true;
}

bool CopyHalves(const Feature& feature, size_t count, bool brain, uint16_t* out) {
  std::vector<float> floats(count);
  if (!CopyNumbers(feature, floats.data())) return false;
  for (const float value : floats) *out++ = brain ? FloatToBfloat16(value) : FloatToFloat16(value);
  return true;
}

// False when the feature's kind does not suit the type.
bool CopyFeature(const Feature& feature, DataType type, size_t count, char* out) {
  const auto numbers = [&]<class T>(T) { return CopyNumbers(feature, reinterpret_cast<T*>(out)); };
  switch (type) {
    case DataType::kBool: return numbers(uint8_t());
    case DataType::kInt8: return numbers(int8_t());
    case DataType::kInt16: return numbers(int16_t());
    case DataType::kInt32: return numbers(int32_t());
    case DataType::kInt64: return numbers(int64_t());
    case DataType::kUint8: return numbers(uint8_t());
    case DataType::kUint16: return numbers(uint16_t());
    case DataType::kUint32: return numbers(uint32_t());
    case DataType::kUint64: return numbers(uint64_t());
    case DataType::kFloat32: return numbers(float());
    case DataType::kFloat64: return numbers(double());
    case DataType::kFloat16:
    case DataType::kBfloat16:
      return CopyHalves(feature, count, type == DataType::kBfloat16, reinterpret_cast<uint16_t*>(out));
    case DataType::kString: return CopyStrings(feature, reinterpret_cast<std::string_view*>(out));
    default: return false;
  }
}

// [n] followed by the input's own dimensions; one that may have any size takes what the first example has.
Result<Shape> BatchShape(const TensorSpec& spec, size_t examples, size_t first_values) {
  Shape shape = spec.shape;
  if (spec.any_rank) shape = {-1};
  if (shape.empty())
    return std::unexpected(InvalidArgument("input \"{}\" is a scalar; it cannot take a batch of examples", spec.name));
  shape[0] = static_cast<int64_t>(examples);
  int64_t known = 1;
  size_t unknown = 0;
  for (size_t i = 1; i < shape.size(); i++) shape[i] < 0 ? unknown = i : known *= shape[i];
  if (unknown > 0) shape[unknown] = known == 0 ? 0 : static_cast<int64_t>(first_values) / known;
  for (int64_t& size : shape)
    if (size < 0) size = 1;
  return shape;
}

Result<Tensor> FeatureTensor(const Examples& examples, const TensorSpec& spec, Arena* arena) {
  const bool strings = spec.type == DataType::kString;
  const size_t size = strings ? sizeof(std::string_view) : DataTypeSize(spec.type);
  HR_ASSIGN_OR_UNEXPECTED(Shape shape, BatchShape(spec, examples.size(), ValueCount(examples.Find(0, spec.name))));
  const auto total = static_cast<size_t>(ElementCount(shape).value_or(0));
  const size_t each = total / examples.size();
  std::vector<const Feature*> features;  // all checked before memory is taken for them
  for (size_t i = 0; i < examples.size(); i++) {
    const Feature* feature = features.emplace_back(examples.Find(i, spec.name));
    if (feature == nullptr)
      return std::unexpected(
          InvalidArgument("example {}: Feature: {} (data type: {}) is required but could not be found.", i, spec.name,
                          DataTypeName(spec.type)));
    if (ValueCount(feature) != each)
      return std::unexpected(InvalidArgument("example {}: feature {}: expected {} values, found {}", i, spec.name, each,
                                             ValueCount(feature)));
  }
  char* data = arena->Allocate(total * size + 1, 64);
  for (size_t i = 0; i < examples.size(); i++) {
    if (!CopyFeature(*features[i], spec.type, each, data + i * each * size))
      return std::unexpected(InvalidArgument("example {}: feature {}: its kind of list does not fit {}", i, spec.name,
                                             DataTypeName(spec.type)));
  }
  if (strings) return Tensor(shape, reinterpret_cast<std::string_view*>(data), nullptr);
  return Tensor(spec.type, shape, data, nullptr);
}

bool IsFloating(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat64 || type == DataType::kFloat16 ||
         type == DataType::kBfloat16;
}

float FloatAt(const Tensor& tensor, size_t index) {
  switch (tensor.type()) {
    case DataType::kFloat64: return static_cast<float>(tensor.values<double>()[index]);
    case DataType::kFloat16: return Float16ToFloat(tensor.values<uint16_t>()[index]);
    case DataType::kBfloat16: return Bfloat16ToFloat(tensor.values<uint16_t>()[index]);
    default: return tensor.values<float>()[index];
  }
}

std::string LabelAt(const Tensor& tensor, size_t index) {
  if (tensor.type() == DataType::kString) return std::string(tensor.strings()[index]);
  return std::to_string(tensor.values<int64_t>()[index]);
}

const Tensor* OutputNamed(const InferRequest& request, const InferResponse& response, std::string_view name) {
  for (size_t i = 0; i < response.outputs.size(); i++)
    if (request.signature->outputs[request.outputs[i]].name == name) return &response.outputs[i];
  return nullptr;
}

// Rows first, and nothing behind the columns.
bool IsTable(const Tensor& tensor, size_t rows) {
  const Shape& shape = tensor.shape();
  return !shape.empty() && shape.size() <= 2 && shape[0] == static_cast<int64_t>(rows);
}

const Tensor* FirstFloating(const InferResponse& response, size_t rows) {
  const Tensor* found = nullptr;
  for (const Tensor& tensor : response.outputs) {
    if (!IsFloating(tensor.type()) || !IsTable(tensor, rows)) continue;
    if (found == nullptr || tensor.shape().size() > found->shape().size()) found = &tensor;
  }
  return found;
}

const Tensor* FirstLabels(const InferResponse& response, const Tensor* scores, size_t rows) {
  for (const Tensor& tensor : response.outputs) {
    const bool label = tensor.type() == DataType::kString || tensor.type() == DataType::kInt64;
    if (label && IsTable(tensor, rows) && (scores == nullptr || tensor.shape() == scores->shape())) return &tensor;
  }
  return nullptr;
}

}  // namespace

size_t ExampleCount(const Input& input) { return Examples(input).size(); }

Status BindExamples(const Input& input, std::string_view method, Arena* arena, InferRequest* request) {
  const Signature& signature = *request->signature;
  HR_RETURN_IF_ERROR(CheckMethod(signature, method));
  const Examples examples(input);
  if (examples.size() == 0) return InvalidArgument("Input is empty.");
  if (TakesSerialized(signature)) {
    request->inputs.push_back(SerializedTensor(examples));
    return OkStatus();
  }
  for (const TensorSpec& spec : signature.inputs) {
    HR_ASSIGN_OR_RETURN(Tensor tensor, FeatureTensor(examples, spec, arena));
    request->inputs.push_back(std::move(tensor));
  }
  return OkStatus();
}

Status ToClassifications(const InferRequest& request, const InferResponse& response, size_t examples,
                         ::tensorflow::serving::ClassificationResult* result) {
  const Tensor* scores = OutputNamed(request, response, "scores");
  const Tensor* classes = OutputNamed(request, response, "classes");
  if (scores == nullptr) scores = FirstFloating(response, examples);
  if (classes == nullptr) classes = FirstLabels(response, scores, examples);
  if (scores == nullptr && classes == nullptr)
    return InvalidArgument("signature {}: no output is a table of scores or classes with {} rows",
                           request.signature->name, examples);
  for (const Tensor* tensor : {scores, classes})
    if (tensor != nullptr && !IsTable(*tensor, examples))
      return InvalidArgument("Expected Tensor shape: [batch_size num_classes] but got {}",
                             ShapeToString(tensor->shape()));
  if (scores != nullptr && classes != nullptr && scores->size() != classes->size())
    return InvalidArgument("Tensors class and score should match in size. Instead, class has {} elements and score {}",
                           classes->size(), scores->size());
  const size_t each = static_cast<size_t>((scores != nullptr ? scores : classes)->size()) / examples;
  for (size_t row = 0; row < examples; row++) {
    auto* classifications = result->add_classifications();
    for (size_t i = row * each; i < (row + 1) * each; i++) {
      auto* entry = classifications->add_classes();
      if (classes != nullptr) entry->set_label(LabelAt(*classes, i));
      if (scores != nullptr) entry->set_score(FloatAt(*scores, i));
    }
  }
  return OkStatus();
}

Status ToRegressions(const InferRequest& request, const InferResponse& response, size_t examples,
                     ::tensorflow::serving::RegressionResult* result) {
  const Tensor* outputs = OutputNamed(request, response, "outputs");
  if (outputs == nullptr || !IsFloating(outputs->type())) outputs = FirstFloating(response, examples);
  if (outputs == nullptr)
    return InvalidArgument("signature {}: no output has a number for each of {} examples", request.signature->name,
                           examples);
  if (!IsTable(*outputs, examples) || outputs->size() != static_cast<int64_t>(examples))
    return InvalidArgument("Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {}",
                           ShapeToString(outputs->shape()));
  for (size_t i = 0; i < examples; i++) result->add_regressions()->set_value(FloatAt(*outputs, i));
  return OkStatus();
}

}  // namespace headrace::tfserving
