#include "headrace/protocols/oip/json_request.h"

#include <simdjson.h>

#include <charconv>

#include "headrace/protocols/oip/json_elements.h"

namespace headrace::oip {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

constexpr size_t kKeptParserBytes = 8 << 20;
constexpr size_t kMaxRank = 64;
constexpr size_t kMaxTensors = 4096;

Status Unparsable(std::string_view field, error_code error) {
  return InvalidArgument("Unable to parse '{}': {}", field, simdjson::error_message(error));
}

// The key that a parameter object's member has, and its value: `take(key, value)` answers an error_code.
template <class Take>
Status ForParameters(ondemand::value value, Take take) {
  bool null = false;
  if (value.is_null().get(null) == simdjson::SUCCESS && null) return OkStatus();
  ondemand::object object;
  if (const error_code error = value.get_object().get(object)) return Unparsable("parameters", error);
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return Unparsable("parameters", error);
    ondemand::value parameter;
    if (const error_code error = field.value().get(parameter)) return Unparsable("parameters", error);
    if (const error_code error = take(key, parameter)) return Unparsable(key, error);
  }
  return OkStatus();
}

class Reader {
 public:
  Reader(std::string_view body, size_t json_bytes, std::string_view model, Arena* arena, InferCall* call)
      : json_bytes_(json_bytes), binary_(body.substr(json_bytes)), model_(model), arena_(arena), call_(call) {}

  Status Read(ondemand::object request) {
    bool has_inputs = false;
    for (auto field : request) {
      ondemand::raw_json_string key;
      ondemand::value value;
      if (error_code error = field.key().get(key); error || (error = field.value().get(value))) return Broken(error);
      if (key == "inputs") {
        has_inputs = true;
        HR_RETURN_IF_ERROR(ForEach(value, "inputs", [this](ondemand::object item) { return ReadInput(item); }));
      } else if (key == "outputs") {
        HR_RETURN_IF_ERROR(ForEach(value, "outputs", [this](ondemand::object item) { return ReadOutput(item); }));
      } else if (key == "parameters") {
        HR_RETURN_IF_ERROR(ReadParameters(value));
      } else if (key == "id") {
        HR_RETURN_IF_ERROR(ReadString(value, "id", &call_->id));
      }
    }
    if (!has_inputs) return InvalidArgument("Unable to parse 'inputs': the request has no member of that name");
    if (!binary_.empty()) return InvalidArgument("unexpected additional input data for model '{}'", model_);
    return OkStatus();
  }

  static Status Broken(error_code error) {
    return InvalidArgument("failed to parse the request JSON buffer: {}", simdjson::error_message(error));
  }

 private:
  struct Input {
    std::string_view name;
    std::optional<DataType> type;
    std::optional<Shape> shape;
    std::optional<uint64_t> binary_size;
    bool base64 = false;
    bool has_data = false;
    bool done = false;
  };

  template <class Take>
  Status ForEach(ondemand::value value, std::string_view field, Take take) {
    if (value.raw_json_token().starts_with("null")) return OkStatus();
    ondemand::array array;
    if (const error_code error = value.get_array().get(array)) return Unparsable(field, error);
    size_t count = 0;
    for (auto item : array) {
      ondemand::object object;
      if (const error_code error = item.get_object().get(object)) return Unparsable(field, error);
      if (++count > kMaxTensors) return InvalidArgument("'{}' has more than {} entries", field, kMaxTensors);
      HR_RETURN_IF_ERROR(take(object));
    }
    return OkStatus();
  }

  Status ReadString(ondemand::value value, std::string_view field, std::string_view* out) {
    if (value.raw_json_token().starts_with("null")) return OkStatus();
    std::string_view text;
    if (const error_code error = value.get_string().get(text)) return Unparsable(field, error);
    *out = arena_->Copy(text);
    return OkStatus();
  }

  Status ReadParameters(ondemand::value value) {
    bool reserved = false;
    HR_RETURN_IF_ERROR(ForParameters(value, [&](std::string_view key, ondemand::value parameter) {
      if (key == "binary_data_output") return parameter.get_bool().get(call_->binary_output);
      if (key == "priority") return parameter.get_uint64().get(call_->priority);
      if (key == "timeout") return parameter.get_uint64().get(call_->timeout_micros);
      if (key == "signature_name") {
        std::string_view text;
        const error_code error = parameter.get_string().get(text);
        call_->signature = arena_->Copy(text);
        return error;
      }
      reserved |= key.starts_with("triton_");
      return simdjson::SUCCESS;
    }));
    if (!reserved) return OkStatus();
    return InvalidArgument(
        "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.");
  }

  Status ReadInput(ondemand::object object) {
    Input input;
    for (auto field : object) {
      ondemand::raw_json_string key;
      ondemand::value value;
      if (error_code error = field.key().get(key); error || (error = field.value().get(value))) return Broken(error);
      HR_RETURN_IF_ERROR(ReadInputField(key, value, &input));
    }
    HR_RETURN_IF_ERROR(Finish(object, &input));
    Tensor& tensor = call_->inputs.back().tensor;
    if (input.base64 && tensor.type() == DataType::kString) tensor = DecodeBase64Strings(tensor, arena_);
    return OkStatus();
  }

  Status ReadInputField(ondemand::raw_json_string key, ondemand::value value, Input* input) {
    if (key == "name") return ReadString(value, "name", &input->name);
    if (key == "shape") return ReadShape(value, input);
    if (key == "datatype") return ReadType(value, input);
    if (key == "parameters") return ReadInputParameters(value, input);
    if (key == "data") {
      if (std::exchange(input->has_data, true))
        return InvalidArgument("'data' occurs twice in input '{}'", input->name);
      if (input->type && input->shape && !input->binary_size) return ReadData(value, input);
    }
    return OkStatus();
  }

  Status ReadInputParameters(ondemand::value value, Input* input) {
    bool shared_memory = false;
    HR_RETURN_IF_ERROR(ForParameters(value, [&](std::string_view key, ondemand::value parameter) {
      if (key == "binary_data_size") return parameter.get_uint64().get(input->binary_size.emplace());
      std::string_view text;
      if (key == kContentType && parameter.get_string().get(text) == simdjson::SUCCESS) input->base64 = text == kBase64;
      shared_memory |= key == "shared_memory_region";
      return simdjson::SUCCESS;
    }));
    return shared_memory ? NoSharedMemory() : OkStatus();
  }

  static Status NoSharedMemory() {
    return Unimplemented("shared memory regions are not supported; send the tensors' bytes in the request");
  }

  Status ReadShape(ondemand::value value, Input* input) {
    ondemand::array array;
    if (const error_code error = value.get_array().get(array)) return Unparsable("shape", error);
    Shape& shape = input->shape.emplace();
    for (auto item : array) {
      uint64_t dimension = 0;
      if (const error_code error = item.get_uint64().get(dimension)) return Unparsable("shape", error);
      if (dimension > INT64_MAX || shape.size() == kMaxRank)
        return InvalidArgument("Unable to parse 'shape': at most {} dimensions below 2^63", kMaxRank);
      shape.push_back(static_cast<int64_t>(dimension));
    }
    return OkStatus();
  }

  Status ReadType(ondemand::value value, Input* input) {
    std::string_view name;
    if (const error_code error = value.get_string().get(name)) return Unparsable("datatype", error);
    input->type = DataTypeFromName(name);
    if (*input->type != DataType::kInvalid) return OkStatus();
    return InvalidArgument(
        "invalid datatype '{}' for input '{}': expected FP32, INT64, BYTES or another one of the Open "
        "Inference Protocol",
        name, input->name);
  }

  Status ReadData(ondemand::value value, Input* input) {
    ondemand::array data;
    if (const error_code error = value.get_array().get(data)) return Unparsable("data", error);
    HR_ASSIGN_OR_RETURN(Tensor tensor,
                        ReadElements(data, *input->type, *input->shape, input->name, json_bytes_, arena_));
    call_->inputs.push_back({input->name, std::move(tensor)});
    input->done = true;
    return OkStatus();
  }

  Status Finish(ondemand::object object, Input* input) {
    if (input->name.empty()) return InvalidArgument("Unable to parse 'name': an input has no name");
    if (!input->type) return InvalidArgument("Unable to parse 'datatype': input '{}' has none", input->name);
    if (!input->shape) return InvalidArgument("Unable to parse 'shape': input '{}' has none", input->name);
    if (input->has_data == input->binary_size.has_value())
      return InvalidArgument(
          "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
          "'shared_memory_region' in 'parameters'. But {}",
          input->has_data ? "set 'data' 'binary_data_size'" : "no field is set");
    if (input->binary_size) return TakeBinary(input);
    if (input->done) {
      call_->inputs.back().name = input->name;
      return OkStatus();
    }
    // The data came before the type or the shape: back to it, now that they are known.
    ondemand::value value;
    if (error_code error = object.reset().error(); error || (error = object.find_field_unordered("data").get(value)))
      return Broken(error);
    return ReadData(value, input);
  }

  Status TakeBinary(Input* input) {
    if (*input->binary_size > binary_.size())
      return InvalidArgument("unexpected size for input '{}', expecting {} additional bytes for model '{}'",
                             input->name, *input->binary_size - binary_.size(), model_);
    const std::string_view bytes = binary_.substr(0, *input->binary_size);
    binary_.remove_prefix(bytes.size());
    HR_ASSIGN_OR_RETURN(Tensor tensor,
                        WrapBytes(bytes, *input->type, std::move(*input->shape), input->name, model_, arena_));
    call_->inputs.push_back({input->name, std::move(tensor)});
    return OkStatus();
  }

  Status ReadOutput(ondemand::object object) {
    RequestedOutput& output = call_->outputs.emplace_back();
    for (auto field : object) {
      ondemand::raw_json_string key;
      ondemand::value value;
      if (error_code error = field.key().get(key); error || (error = field.value().get(value))) return Broken(error);
      if (key == "name") {
        HR_RETURN_IF_ERROR(ReadString(value, "name", &output.name));
      } else if (key == "parameters") {
        HR_RETURN_IF_ERROR(ReadOutputParameters(value, &output));
      }
    }
    return output.name.empty() ? InvalidArgument("Unable to parse 'name': an output has no name") : OkStatus();
  }

  Status ReadOutputParameters(ondemand::value value, RequestedOutput* output) {
    bool shared_memory = false;
    HR_RETURN_IF_ERROR(ForParameters(value, [&](std::string_view key, ondemand::value parameter) {
      if (key == "binary_data") return parameter.get_bool().get(output->binary.emplace());
      if (key == "classification") return parameter.get_uint64().get(output->classes);
      shared_memory |= key == "shared_memory_region";
      return simdjson::SUCCESS;
    }));
    return shared_memory ? NoSharedMemory() : OkStatus();
  }

  const size_t json_bytes_;
  std::string_view binary_;  // what no input has taken yet
  const std::string_view model_;
  Arena* const arena_;
  InferCall* const call_;
};

Status ReadJson(ondemand::parser& parser, std::string_view body, size_t json_bytes, std::string_view model,
                Arena* arena, InferCall* call) {
  ondemand::document document;
  const simdjson::padded_string_view text(body.data(), json_bytes, json_bytes + simdjson::SIMDJSON_PADDING);
  ondemand::object request;
  if (error_code error = parser.iterate(text).get(document); error || (error = document.get_object().get(request)))
    return Reader::Broken(error);
  HR_RETURN_IF_ERROR(Reader(body, json_bytes, model, arena, call).Read(request));
  const bool at_end = document.current_location().error() == simdjson::OUT_OF_BOUNDS;
  return at_end ? OkStatus() : Reader::Broken(simdjson::TRAILING_CONTENT);
}

}  // namespace

Status ReadInferRequest(std::string_view body, size_t json_bytes, std::string_view model, Arena* arena,
                        InferCall* call) {
  if (json_bytes == 0 && !body.empty()) {
    call->raw_input = body;
    call->binary_output = true;
    return OkStatus();
  }
  if (json_bytes > kKeptParserBytes) {
    ondemand::parser parser;
    return ReadJson(parser, body, json_bytes, model, arena, call);
  }
  thread_local ondemand::parser parser;
  return ReadJson(parser, body, json_bytes, model, arena, call);
}

Result<size_t> JsonBytes(std::optional<std::string_view> header, size_t body_bytes) {
  if (!header) return body_bytes;
  int64_t length = 0;
  const auto [end, error] = std::from_chars(header->data(), header->data() + header->size(), length);
  if (error == std::errc::invalid_argument || end != header->data() + header->size())
    return std::unexpected(InvalidArgument("Unable to parse Inference-Header-Content-Length, got: {}", *header));
  if (error != std::errc() || length < 0 || static_cast<uint64_t>(length) > body_bytes)
    return std::unexpected(
        InvalidArgument("inference header size should be in range (0, {}), got: {}", body_bytes, *header));
  return static_cast<size_t>(length);
}

}  // namespace headrace::oip
