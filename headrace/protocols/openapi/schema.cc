#include "headrace/protocols/openapi/schema.h"

#include <limits>
#include <string>

namespace headrace::openapi {
namespace {

template <class Integer>
json::object IntegerSchema() {
  json::object schema{{"type", "integer"},
                      {"minimum", std::numeric_limits<Integer>::min()},
                      {"maximum", std::numeric_limits<Integer>::max()}};
  if constexpr (sizeof(Integer) == 8) schema["format"] = "int64";
  return schema;
}

json::value ElementExample(DataType type) {
  switch (type) {
    case DataType::kString: return "text";
    case DataType::kBool: return false;
    case DataType::kFloat16:
    case DataType::kBfloat16:
    case DataType::kFloat32:
    case DataType::kFloat64: return 0.0;
    default: return 0;
  }
}

// The values of an object with a member for each tensor; a single tensor stands for itself when `unwrap`.
json::object Members(const std::vector<TensorSpec>& specs, size_t first_dimension) {
  json::object properties;
  json::array required;
  for (const TensorSpec& spec : specs) {
    properties[spec.name] = TensorSchema(spec, first_dimension);
    required.emplace_back(spec.name);
  }
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

json::object ArrayOf(json::value items) { return {{"type", "array"}, {"items", std::move(items)}}; }

json::value ItemSchema(const std::vector<TensorSpec>& specs, size_t first_dimension, bool only_bare) {
  json::object members = Members(specs, first_dimension);
  if (specs.size() != 1) return members;
  json::value bare = TensorSchema(specs[0], first_dimension);
  if (only_bare) return bare;
  return json::object{{"oneOf", json::array{std::move(bare), std::move(members)}}};
}

json::object InferTensorSchema(const TensorSpec& spec) {
  json::array shape_example;
  for (const int64_t dimension : spec.shape) shape_example.emplace_back(dimension < 0 ? 1 : dimension);
  return {{"type", "object"},
          {"required", {"name", "shape", "datatype", "data"}},
          {"properties",
           {{"name", {{"type", "string"}, {"enum", json::array{json::string(spec.name)}}}},
            {"shape", {{"type", "array"}, {"items", {{"type", "integer"}}}, {"example", std::move(shape_example)}}},
            {"datatype", {{"type", "string"}, {"enum", json::array{json::string(DataTypeName(spec.type))}}}},
            {"data", ArrayOf(ElementSchema(spec.type))}}}};
}

json::object InferTensors(const std::vector<TensorSpec>& specs) {
  json::array kinds;
  for (const TensorSpec& spec : specs) kinds.push_back(InferTensorSchema(spec));
  return ArrayOf(json::object{{"oneOf", std::move(kinds)}});
}

}  // namespace

json::object ElementSchema(DataType type) {
  switch (type) {
    case DataType::kBool: return {{"type", "boolean"}};
    case DataType::kInt8: return IntegerSchema<int8_t>();
    case DataType::kInt16: return IntegerSchema<int16_t>();
    case DataType::kInt32: return IntegerSchema<int32_t>();
    case DataType::kInt64: return IntegerSchema<int64_t>();
    case DataType::kUint8: return IntegerSchema<uint8_t>();
    case DataType::kUint16: return IntegerSchema<uint16_t>();
    case DataType::kUint32: return IntegerSchema<uint32_t>();
    case DataType::kUint64: return IntegerSchema<uint64_t>();
    case DataType::kFloat64: return {{"type", "number"}, {"format", "double"}};
    case DataType::kFloat16:
    case DataType::kBfloat16:
    case DataType::kFloat32: return {{"type", "number"}, {"format", "float"}};
    case DataType::kString: {
      const json::object base64{{"type", "object"},
                                {"required", {"b64"}},
                                {"properties", {{"b64", {{"type", "string"}, {"format", "byte"}}}}}};
      return {{"oneOf", json::array{json::object{{"type", "string"}}, base64}}};
    }
    default: return {};
  }
}

json::value TensorSchema(const TensorSpec& spec, size_t first_dimension) {
  json::object schema = ElementSchema(spec.type);
  if (spec.any_rank) return json::object{{"description", "a number, or arrays of them to any depth"}};
  for (size_t i = spec.shape.size(); i > first_dimension; i--) {
    schema = ArrayOf(std::move(schema));
    if (spec.shape[i - 1] < 0) continue;
    schema["minItems"] = spec.shape[i - 1];
    schema["maxItems"] = spec.shape[i - 1];
  }
  return schema;
}

json::value TensorExample(const TensorSpec& spec, size_t first_dimension) {
  constexpr int64_t kMost = 64;  // an image would be a page of zeros
  json::value example = ElementExample(spec.type);
  for (size_t i = spec.shape.size(); i > first_dimension; i--) {
    const int64_t count = spec.shape[i - 1] < 0 ? 1 : std::min(spec.shape[i - 1], kMost);
    example = json::array(static_cast<size_t>(count), example);
  }
  return example;
}

json::object RowRequestSchema(const Signature& signature) {
  return {{"type", "object"},
          {"required", {"instances"}},
          {"properties",
           {{"signature_name", {{"type", "string"}, {"default", signature.name}}},
            {"instances", ArrayOf(ItemSchema(signature.inputs, 1, false))}}}};
}

json::object RowRequestExample(const Signature& signature) {
  json::object row;
  for (const TensorSpec& spec : signature.inputs) row[spec.name] = TensorExample(spec, 1);
  return {{"instances", json::array{std::move(row)}}};
}

json::object RowResponseSchema(const Signature& signature) {
  return {{"type", "object"}, {"properties", {{"predictions", ArrayOf(ItemSchema(signature.outputs, 1, true))}}}};
}

json::object ColumnRequestSchema(const Signature& signature) {
  return {{"type", "object"},
          {"required", {"inputs"}},
          {"properties",
           {{"signature_name", {{"type", "string"}, {"default", signature.name}}},
            {"inputs", ItemSchema(signature.inputs, 0, false)}}}};
}

json::object InferRequestSchema(const Signature& signature) {
  const json::object output{
      {"type", "object"}, {"required", {"name"}}, {"properties", {{"name", {{"type", "string"}}}}}};
  return {{"type", "object"},
          {"required", {"inputs"}},
          {"properties",
           {{"id", {{"type", "string"}}}, {"inputs", InferTensors(signature.inputs)}, {"outputs", ArrayOf(output)}}}};
}

json::object InferRequestExample(const Signature& signature) {
  json::array inputs;
  for (const TensorSpec& spec : signature.inputs) {
    json::array shape;
    int64_t count = 1;
    for (const int64_t dimension : spec.shape) {
      shape.emplace_back(dimension < 0 ? 1 : dimension);
      count *= dimension < 0 ? 1 : dimension;
    }
    inputs.push_back(
        json::object{{"name", spec.name},
                     {"shape", std::move(shape)},
                     {"datatype", DataTypeName(spec.type)},
                     {"data", json::array(static_cast<size_t>(count > 4096 ? 0 : count), ElementExample(spec.type))}});
  }
  return {{"inputs", std::move(inputs)}};
}

json::object InferResponseSchema(const Signature& signature) {
  return {{"type", "object"},
          {"properties",
           {{"model_name", {{"type", "string"}}},
            {"model_version", {{"type", "string"}}},
            {"id", {{"type", "string"}}},
            {"outputs", InferTensors(signature.outputs)}}}};
}

}  // namespace headrace::openapi
