#include "headrace/protocols/tfserving/json_examples.h"

#include <simdjson.h>

#include "headrace/protocols/common/json_text.h"
#include "headrace/protocols/tfserving/json_error.h"
#include "headrace/protocols/tfserving/json_tensor.h"
#include "proto/tfserving/prediction_service.pb.h"

namespace headrace::tfserving {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;
using ::tensorflow::Example;
using ::tensorflow::Feature;

Status ParseError(error_code error) { return InvalidArgument("JSON Parse error: {}", simdjson::error_message(error)); }

Status ReadString(ondemand::value value, Feature* feature) {
  std::string_view text;
  if (value.get_string().get(text) == simdjson::SUCCESS) {
    feature->mutable_bytes_list()->add_value(std::string(text));
    return OkStatus();
  }
  ondemand::object object;
  bool is_base64 = false;
  if (const error_code error = value.get_object().get(object)) return ParseError(error);
  HR_RETURN_IF_ERROR(TakeBase64Object(object, &is_base64, &text));
  if (!is_base64) return InvalidArgument("expected a number, a string or {{\"b64\": …}}, found another object");
  Arena arena;
  HR_ASSIGN_OR_RETURN(const std::string_view bytes, DecodeBase64(text, &arena));
  feature->mutable_bytes_list()->add_value(std::string(bytes));
  return OkStatus();
}

// Integers that were read before the first fraction become numbers too.
void AddNumber(double number, Feature* feature) {
  if (feature->has_int64_list()) {
    const auto integers = feature->int64_list().value();
    for (const int64_t integer : integers) feature->mutable_float_list()->add_value(static_cast<float>(integer));
  }
  feature->mutable_float_list()->add_value(static_cast<float>(number));
}

Status ReadScalar(ondemand::value value, Feature* feature) {
  const std::string_view token = value.raw_json_token();
  const bool text = token.starts_with('"') || token.starts_with('{');
  if (text != feature->has_bytes_list() && feature->kind_case() != Feature::KIND_NOT_SET)
    return InvalidArgument("expected values of one type");
  if (text) return ReadString(value, feature);
  int64_t integer = 0;
  if (!feature->has_float_list() && value.get_int64().get(integer) == simdjson::SUCCESS) {
    feature->mutable_int64_list()->add_value(integer);
    return OkStatus();
  }
  bool flag = false;
  if (value.get_bool().get(flag) == simdjson::SUCCESS) {
    feature->mutable_int64_list()->add_value(flag);
    return OkStatus();
  }
  const TensorSpec number{"", DataType::kFloat64, {}, false};
  Arena arena;
  JsonTensorReader reader(number, token, &arena);
  HR_RETURN_IF_ERROR(reader.Read(value));
  AddNumber(*static_cast<const double*>(reader.TakeValue().data()), feature);
  return OkStatus();
}

Status ReadFeature(ondemand::value value, Feature* feature) {
  if (!value.raw_json_token().starts_with('[')) return ReadScalar(value, feature);
  ondemand::array array;
  if (const error_code error = value.get_array().get(array)) return ParseError(error);
  for (auto item : array) {
    ondemand::value element;
    if (const error_code error = item.get(element)) return ParseError(error);
    if (element.raw_json_token().starts_with('[')) return InvalidArgument("expected a flat list");
    HR_RETURN_IF_ERROR(ReadScalar(element, feature));
  }
  return OkStatus();
}

Status ReadExample(ondemand::value value, Example* example) {
  ondemand::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return InvalidArgument("expected an object of features");
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return ParseError(error);
    const std::string name(key);
    ondemand::value item;
    if (const error_code error = field.value().get(item)) return ParseError(error);
    const Status status = ReadFeature(item, &(*example->mutable_features()->mutable_feature())[name]);
    if (!status.ok()) return status.WithContext(fmt::format("feature {}", name));
  }
  return OkStatus();
}

Status ReadExamples(ondemand::value value, std::string_view body, ::tensorflow::serving::ExampleListWithContext* list) {
  ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS)
    return JsonFormatError(body, "Expecting 'examples' value to be an list/array");
  for (auto item : array) {
    ondemand::value element;
    if (const error_code error = item.get(element)) return ParseError(error);
    const Status status = ReadExample(element, list->add_examples());
    if (!status.ok()) return status.WithContext(fmt::format("example {}", list->examples_size() - 1));
  }
  return list->examples_size() > 0 ? OkStatus() : JsonFormatError(body, "'examples' value is an empty array");
}

Status ReadMember(std::string_view key, ondemand::value value, std::string_view body, std::string* signature_name,
                  ::tensorflow::serving::ExampleListWithContext* list) {
  if (key == "examples") return ReadExamples(value, body, list);
  if (key == "context") return ReadExample(value, list->mutable_context()).WithContext("context");
  if (key != "signature_name") return OkStatus();
  std::string_view name;
  if (value.get_string().get(name) != simdjson::SUCCESS)
    return JsonFormatError(body, "not formatted correctly. 'signature_name' key must be a string value.");
  *signature_name = name;
  return OkStatus();
}

Status Decode(std::string_view body, std::string* signature_name, ::tensorflow::serving::Input* input) {
  thread_local ondemand::parser parser;
  ondemand::document document;
  const size_t capacity = body.size() + simdjson::SIMDJSON_PADDING;
  if (const error_code error = parser.iterate(body.data(), body.size(), capacity).get(document))
    return ParseError(error);
  ondemand::object object;
  if (const error_code error = document.get_object().get(object)) return ParseError(error);
  auto* list = input->mutable_example_list_with_context();
  bool found = false;
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return ParseError(error);
    found |= key == "examples";
    ondemand::value value;
    if (const error_code error = field.value().get(value)) return ParseError(error);
    HR_RETURN_IF_ERROR(ReadMember(key, value, body, signature_name, list));
  }
  if (found) return OkStatus();
  return JsonFormatError(body, "When method is classify, key 'examples' is expected and was not found");
}

}  // namespace

Status DecodeExamples(std::string_view body, std::string* signature_name, ::tensorflow::serving::Input* input) {
  const Status status = Decode(WithoutByteOrderMark(body), signature_name, input);
  if (!status.ok()) HR_RETURN_IF_ERROR(CheckJsonObject(body));
  return status;
}

void EncodeResults(const ::tensorflow::serving::ClassificationResult& result, std::string* out) {
  *out += "{\"results\":[";
  for (int row = 0; row < result.classifications_size(); row++) {
    *out += row > 0 ? ",[" : "[";
    bool first = true;
    for (const auto& entry : result.classifications(row).classes()) {
      *out += std::exchange(first, false) ? "[" : ",[";
      AppendJsonString(out, entry.label());
      *out += ',';
      AppendJson(out, entry.score());
      *out += ']';
    }
    *out += ']';
  }
  *out += "]}";
}

void EncodeResults(const ::tensorflow::serving::RegressionResult& result, std::string* out) {
  *out += "{\"results\":[";
  for (int row = 0; row < result.regressions_size(); row++) {
    if (row > 0) *out += ',';
    AppendJson(out, result.regressions(row).value());
  }
  *out += "]}";
}

}  // namespace headrace::tfserving
