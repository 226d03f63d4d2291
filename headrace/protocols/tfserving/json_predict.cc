#include "headrace/protocols/tfserving/json_predict.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "headrace/protocols/common/json_text.h"
#include "headrace/protocols/tfserving/json_error.h"
#include "headrace/protocols/tfserving/json_tensor.h"

namespace headrace::tfserving {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

Status ParseError(error_code error) { return InvalidArgument("JSON Parse error: {}", simdjson::error_message(error)); }

// The inputs of a signature being read, and in which order the last row named them.
class InputReaders {
 public:
  InputReaders(const Signature& signature, std::string_view json, Arena* arena) : signature_(signature) {
    for (const TensorSpec& input : signature.inputs) readers_.emplace_back(input, json, arena);
  }

  size_t size() const { return readers_.size(); }
  JsonTensorReader& operator[](size_t index) { return readers_[index]; }
  // Null when the model has no such input. `guess`: the member's position in its object.
  JsonTensorReader* Find(std::string_view name, size_t guess) {
    if (guess < size() && signature_.inputs[guess].name == name) [[likely]]
      return &readers_[guess];
    const int index = signature_.InputIndex(name);
    return index < 0 ? nullptr : &readers_[static_cast<size_t>(index)];
  }
  std::string Names() const {
    std::vector<std::string_view> names;
    names.reserve(signature_.inputs.size());
    for (const TensorSpec& input : signature_.inputs) names.push_back(input.name);
    std::ranges::sort(names);
    return fmt::format("{}", fmt::join(names, ","));
  }

 private:
  const Signature& signature_;
  boost::container::small_vector<JsonTensorReader, 4> readers_;
};

Status ElementError(size_t row, std::string_view key, const Status& status) {
  const std::string of_key = key.empty() ? "" : fmt::format(" key: {}", key);
  return InvalidArgument("Failed to process element: {}{} of 'instances' list. Error: {}", row, of_key,
                         status.ToString());
}

// A row as an object: every input once, nothing else.
Status ReadRowObject(ondemand::object object, size_t row, InputReaders& readers) {
  size_t members = 0;
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return ParseError(error);
    JsonTensorReader* reader = readers.Find(key, members);
    if (reader == nullptr)
      return ElementError(row, key, InvalidArgument("JSON object: does not have named input: {}", key));
    if (reader->values() != row)
      return InvalidArgument("Failed to process element: {} key: {} of 'instances' list: the key occurs twice", row,
                             key);
    ondemand::value value;
    if (const error_code error = field.value().get(value)) return ParseError(error);
    if (Status status = reader->Read(value); !status.ok()) [[unlikely]]
      return ElementError(row, key, status);
    members++;
  }
  if (members == readers.size()) return OkStatus();
  object.reset();
  std::string_view text;
  if (const error_code error = object.raw_json().get(text)) return ParseError(error);
  return InvalidArgument("Failed to process element: {} of 'instances' list. JSON object: {} keys must be equal to: {}",
                         row, QuoteJson(text), readers.Names());
}

Status ReadRow(ondemand::value value, size_t row, bool* objects, InputReaders& readers) {
  ondemand::object object;
  bool is_object = value.raw_json_token().starts_with('{');
  bool is_base64 = false;
  std::string_view base64;
  if (is_object) {
    if (const error_code error = value.get_object().get(object)) return ParseError(error);
    HR_RETURN_IF_ERROR(TakeBase64Object(object, &is_base64, &base64));
    is_object = !is_base64;
  }
  if (row == 0) *objects = is_object;
  if (*objects && !is_object) return InvalidArgument("Expecting object but got list at item {} of input list", row);
  if (!*objects && is_object)
    return InvalidArgument("Expecting value/list but got object at item {} of input list", row);
  if (is_object) return ReadRowObject(object, row, readers);
  if (readers.size() != 1)
    return InvalidArgument(
        "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
        "tensorinfo_map");
  const Status status = is_base64 ? readers[0].ReadBase64(base64) : readers[0].Read(value);
  return status.ok() ? status : ElementError(row, "", status);
}

Status ReadRows(ondemand::value value, std::string_view body, InputReaders& readers) {
  ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS)
    return JsonFormatError(body, "Expecting 'instances' to be an list/array");
  size_t row = 0;
  bool objects = false;
  for (auto item : array) {
    ondemand::value element;
    if (const error_code error = item.get(element)) return ParseError(error);
    HR_RETURN_IF_ERROR(ReadRow(element, row, &objects, readers));
    row++;
  }
  return row > 0 ? OkStatus() : JsonFormatError(body, "No values in 'instances' array");
}

Status ReadColumnObject(ondemand::object object, const Signature& signature, InputReaders& readers) {
  size_t members = 0;
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return ParseError(error);
    ondemand::value value;
    if (const error_code error = field.value().get(value)) return ParseError(error);
    JsonTensorReader* reader = readers.Find(key, members++);
    if (reader == nullptr || reader->values() > 0) continue;  // more than the model takes is ignored here
    HR_RETURN_IF_ERROR(reader->Read(value));
  }
  for (size_t i = 0; i < readers.size(); i++)
    if (readers[i].values() == 0)
      return InvalidArgument("Missing named input: {} in 'inputs' object.", signature.inputs[i].name);
  return OkStatus();
}

Status ReadColumns(ondemand::value value, const Signature& signature, InputReaders& readers) {
  if (value.raw_json_token().starts_with('{')) {
    ondemand::object object;
    if (const error_code error = value.get_object().get(object)) return ParseError(error);
    bool is_base64 = false;
    std::string_view base64;
    HR_RETURN_IF_ERROR(TakeBase64Object(object, &is_base64, &base64));
    if (!is_base64) return ReadColumnObject(object, signature, readers);
    if (readers.size() == 1) return readers[0].ReadBase64(base64);
  }
  if (readers.size() == 1) return readers[0].Read(value);
  return InvalidArgument(
      "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map");
}

// The request names its signature before or behind its tensors, whose types depend on it: only a text in which the name
// occurs at all is searched for it first.
Status FindSignature(std::string_view body, ondemand::document& document, SignatureFinder& signatures,
                     const Signature** signature) {
  std::string_view name;
  const bool searched = body.contains("\"signature_name\"");
  if (searched) {
    ondemand::value value;
    const error_code error = document["signature_name"].get(value);
    if (error == simdjson::SUCCESS) {
      if (value.get_string().get(name) != simdjson::SUCCESS)
        return JsonFormatError(body, "not formatted correctly. 'signature_name' key must be a string value.");
    } else if (error != simdjson::NO_SUCH_FIELD) {
      return ParseError(error);
    }
  }
  HR_ASSIGN_OR_RETURN(*signature, signatures.Find(name));
  if (searched) document.rewind();
  return OkStatus();
}

Status ReadInputs(std::string_view body, ondemand::document& document, const Signature& signature,
                  InputReaders& readers, std::optional<PredictFormat>* format) {
  ondemand::object object;
  if (const error_code error = document.get_object().get(object)) return ParseError(error);
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return ParseError(error);
    const bool rows = key == "instances";
    if (!rows && key != "inputs") continue;
    if (*format)
      return JsonFormatError(body,
                             "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ");
    *format = rows ? PredictFormat::kRows : PredictFormat::kColumns;
    ondemand::value value;
    if (const error_code error = field.value().get(value)) return ParseError(error);
    HR_RETURN_IF_ERROR(rows ? ReadRows(value, body, readers) : ReadColumns(value, signature, readers));
  }
  return *format ? OkStatus() : InvalidArgument("Missing 'inputs' or 'instances' key");
}

// The text without what follows its first value: simdjson wants an object to be the last thing there is.
std::string_view FirstValue(std::string_view text) {
  const size_t last = text.find_last_not_of(" \t\r\n");
  if (last == text.npos || text[last] == '}') return text;
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (quoted && c == '\\')
      i++;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && (c == '{' || c == '['))
      depth++;
    else if (!quoted && (c == '}' || c == ']') && --depth == 0)
      return text.substr(0, i + 1);
  }
  return text;
}

Result<PredictFormat> Decode(std::string_view body, SignatureFinder& signatures, Arena* arena, InferRequest* request) {
  thread_local ondemand::parser parser;
  ondemand::document document;
  if (const error_code error =
          parser.iterate(body.data(), body.size(), body.size() + simdjson::SIMDJSON_PADDING).get(document))
    return std::unexpected(ParseError(error));
  HR_UNEXPECTED_IF_ERROR(FindSignature(body, document, signatures, &request->signature));
  const Signature& signature = *request->signature;
  InputReaders readers(signature, body, arena);
  std::optional<PredictFormat> format;
  HR_UNEXPECTED_IF_ERROR(ReadInputs(body, document, signature, readers, &format));
  for (size_t i = 0; i < readers.size(); i++)
    request->inputs.push_back(format == PredictFormat::kRows ? readers[i].TakeRows() : readers[i].TakeValue());
  return *format;
}

}  // namespace

Result<PredictFormat> DecodePredict(std::string_view body, SignatureFinder& signatures, Arena* arena,
                                    InferRequest* request) {
  auto format = Decode(FirstValue(WithoutByteOrderMark(body)), signatures, arena, request);
  // That server reads the whole text before anything else: what is wrong with the text comes first.
  if (!format) HR_UNEXPECTED_IF_ERROR(CheckJsonObject(body));
  return format;
}

namespace {

void AppendStrings(const Tensor& tensor, bool base64, size_t first, size_t count, std::string* out) {
  if (!base64) return AppendJsonElements(out, tensor, first, count);
  for (size_t i = 0; i < count; i++) {
    if (i > 0) *out += ',';
    *out += "{\"b64\":\"";
    AppendBase64(out, tensor.strings()[first + i]);
    *out += "\"}";
  }
}

// A tensor, or one row of it, as nested lists.
class NestedWriter {
 public:
  NestedWriter(std::string_view name, const Tensor& tensor, std::string* out)
      : tensor_(tensor), out_(*out), base64_(tensor.type() == DataType::kString && name.ends_with("_bytes")) {}

  // The sub-tensor at `level` that starts at element `first` and has `count` elements.
  void Write(size_t level, size_t first, size_t count) {
    const Shape& shape = tensor_.shape();
    if (level == shape.size()) return AppendStrings(tensor_, base64_, first, 1, &out_);
    out_ += '[';
    if (level + 1 == shape.size()) {
      AppendStrings(tensor_, base64_, first, count, &out_);
    } else {
      const auto items = static_cast<size_t>(shape[level]);
      const size_t step = items == 0 ? 0 : count / items;
      for (size_t i = 0; i < items; i++) {
        if (i > 0) out_ += ',';
        Write(level + 1, first + i * step, step);
      }
    }
    out_ += ']';
  }

 private:
  const Tensor& tensor_;
  std::string& out_;
  const bool base64_;
};

struct NamedTensor {
  const std::string& name;
  const Tensor& tensor;
  size_t row_elements;
};

Status CheckRows(std::span<const NamedTensor> tensors, int64_t* rows) {
  *rows = -1;
  for (const auto& [name, tensor, ignored] : tensors) {
    if (tensor.shape().empty())
      return InvalidArgument("Tensor name: {} has no shape information, which the row format needs; ask with 'inputs'",
                             name);
    if (*rows >= 0 && *rows != tensor.shape()[0])
      return InvalidArgument("Tensor name: {} has inconsistent batch size: {} expecting: {}", name, tensor.shape()[0],
                             *rows);
    *rows = tensor.shape()[0];
  }
  return OkStatus();
}

void WriteRow(std::span<const NamedTensor> tensors, size_t row, std::string* out) {
  const bool named = tensors.size() > 1;
  if (named) *out += '{';
  for (size_t i = 0; i < tensors.size(); i++) {
    const auto& [name, tensor, elements] = tensors[i];
    if (named) {
      if (i > 0) *out += ',';
      AppendJsonString(out, name);
      *out += ':';
    }
    NestedWriter(name, tensor, out).Write(1, row * elements, elements);
  }
  if (named) *out += '}';
}

Status WriteRows(std::span<const NamedTensor> tensors, std::string* out) {
  int64_t rows = 0;
  HR_RETURN_IF_ERROR(CheckRows(tensors, &rows));
  *out += "{\"predictions\":";
  if (tensors.size() == 1) {
    const auto& [name, tensor, ignored] = tensors[0];
    NestedWriter(name, tensor, out).Write(0, 0, static_cast<size_t>(tensor.size()));
  } else {
    *out += '[';
    for (int64_t row = 0; row < rows; row++) {
      if (row > 0) *out += ',';
      WriteRow(tensors, static_cast<size_t>(row), out);
    }
    *out += ']';
  }
  *out += '}';
  return OkStatus();
}

void WriteColumns(std::span<const NamedTensor> tensors, std::string* out) {
  *out += "{\"outputs\":";
  const bool named = tensors.size() > 1;
  if (named) *out += '{';
  for (size_t i = 0; i < tensors.size(); i++) {
    const auto& [name, tensor, ignored] = tensors[i];
    if (i > 0) *out += ',';
    if (named) {
      AppendJsonString(out, name);
      *out += ':';
    }
    NestedWriter(name, tensor, out).Write(0, 0, static_cast<size_t>(tensor.size()));
  }
  *out += named ? "}}" : "}";
}

}  // namespace

Status EncodePredict(PredictFormat format, const Signature& signature, std::span<const uint32_t> outputs,
                     std::span<const Tensor> tensors, std::string* out) {
  boost::container::small_vector<NamedTensor, 4> named;
  for (size_t i = 0; i < tensors.size(); i++) {
    const Tensor& tensor = tensors[i];
    const int64_t rows = tensor.shape().empty() ? 1 : tensor.shape()[0];
    named.push_back(
        {signature.outputs[outputs[i]].name, tensor, static_cast<size_t>(rows > 0 ? tensor.size() / rows : 0)});
  }
  if (format == PredictFormat::kRows) return WriteRows({named.data(), named.size()}, out);
  WriteColumns({named.data(), named.size()}, out);
  return OkStatus();
}

}  // namespace headrace::tfserving
