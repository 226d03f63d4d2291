#include "headrace/core/record_batch.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace headrace {
namespace {

__extension__ using Int128 = __int128;

[[noreturn]] void Die(std::string_view column, ColumnType type, const char* wanted) {
  std::fprintf(stderr, "column \"%.*s\" of type %s was read as %s\n", static_cast<int>(column.size()), column.data(),
               std::string(ColumnTypeName(type)).c_str(), wanted);
  std::abort();
}

ColumnType TypeOf(std::string_view format) {
  if (format.size() == 1) {
    switch (format[0]) {
      case 'n': return ColumnType::kNull;
      case 'b': return ColumnType::kBool;
      case 'c': return ColumnType::kInt8;
      case 'C': return ColumnType::kUint8;
      case 's': return ColumnType::kInt16;
      case 'S': return ColumnType::kUint16;
      case 'i': return ColumnType::kInt32;
      case 'I': return ColumnType::kUint32;
      case 'l': return ColumnType::kInt64;
      case 'L': return ColumnType::kUint64;
      case 'f': return ColumnType::kFloat32;
      case 'g': return ColumnType::kFloat64;
      case 'u':
      case 'U': return ColumnType::kString;
      case 'z':
      case 'Z': return ColumnType::kBinary;
      default: return ColumnType::kOther;
    }
  }
  if (format == "tdD") return ColumnType::kDate;
  if (format.starts_with("ts")) return ColumnType::kTimestamp;
  if (format == "+l") return ColumnType::kList;
  // "d:precision,scale", 128 bits wide, or with the width as a third number.
  if (format.starts_with("d:") && (std::ranges::count(format, ',') == 1 || format.ends_with(",128")))
    return ColumnType::kDecimal;
  return ColumnType::kOther;
}

size_t WidthOf(ColumnType type) {
  switch (type) {
    case ColumnType::kInt8:
    case ColumnType::kUint8: return 1;
    case ColumnType::kInt16:
    case ColumnType::kUint16: return 2;
    case ColumnType::kInt32:
    case ColumnType::kUint32:
    case ColumnType::kFloat32:
    case ColumnType::kDate: return 4;
    case ColumnType::kInt64:
    case ColumnType::kUint64:
    case ColumnType::kFloat64:
    case ColumnType::kTimestamp: return 8;
    case ColumnType::kDecimal: return 16;
    default: return 0;
  }
}

bool BitAt(const void* bits, int64_t index) {
  return (static_cast<const uint8_t*>(bits)[index / 8] >> (index % 8) & 1) != 0;
}

}  // namespace

std::string_view ColumnTypeName(ColumnType type) {
  static constexpr std::string_view kNames[] = {"null",   "bool",   "int8",      "int16", "int32",  "int64",   "uint8",
                                                "uint16", "uint32", "uint64",    "float", "double", "decimal", "string",
                                                "binary", "date",   "timestamp", "list",  "other"};
  return kNames[static_cast<size_t>(type)];
}

bool IsInteger(ColumnType type) { return type >= ColumnType::kInt8 && type <= ColumnType::kUint64; }
bool IsNumber(ColumnType type) { return type >= ColumnType::kInt8 && type <= ColumnType::kDecimal; }

Column::Column(const ArrowSchema* schema, const ArrowArray* array)
    : schema_(schema), array_(array), type_(TypeOf(schema->format)) {
  if (schema->dictionary != nullptr) type_ = ColumnType::kOther;
  if (type_ == ColumnType::kDecimal) scale_ = std::atoi(std::strchr(schema->format, ',') + 1);
  if (type_ == ColumnType::kTimestamp) {
    const char unit = schema->format[2];
    if (unit == 's') micros_factor_ = 1'000'000;
    if (unit == 'm') micros_factor_ = 1000;
    if (unit == 'n') micros_divisor_ = 1000;
  }
}

template <class T>
T Column::At(int64_t row) const {
  return static_cast<const T*>(array_->buffers[1])[array_->offset + row];
}

int64_t Column::null_count() const {
  if (type_ == ColumnType::kNull) return size();
  if (array_->null_count >= 0) return array_->null_count;
  int64_t count = 0;
  for (int64_t row = 0; row < size(); row++) count += IsNull(row) ? 1 : 0;
  return count;
}

bool Column::IsNull(int64_t row) const {
  if (type_ == ColumnType::kNull) return true;
  if (array_->null_count == 0 || array_->n_buffers == 0 || array_->buffers[0] == nullptr) return false;
  return !BitAt(array_->buffers[0], array_->offset + row);
}

bool Column::Bool(int64_t row) const {
  if (type_ != ColumnType::kBool) Die(name(), type_, "bool");
  return BitAt(array_->buffers[1], array_->offset + row);
}

int64_t Column::Int64(int64_t row) const {
  switch (type_) {
    case ColumnType::kBool: return Bool(row) ? 1 : 0;
    case ColumnType::kInt8: return At<int8_t>(row);
    case ColumnType::kInt16: return At<int16_t>(row);
    case ColumnType::kInt32:
    case ColumnType::kDate: return At<int32_t>(row);
    case ColumnType::kInt64: return At<int64_t>(row);
    case ColumnType::kUint8: return At<uint8_t>(row);
    case ColumnType::kUint16: return At<uint16_t>(row);
    case ColumnType::kUint32: return At<uint32_t>(row);
    case ColumnType::kUint64: return static_cast<int64_t>(At<uint64_t>(row));
    case ColumnType::kDecimal:
      if (scale_ == 0) return static_cast<int64_t>(At<Int128>(row));
      [[fallthrough]];
    default: Die(name(), type_, "int64");
  }
}

double Column::Double(int64_t row) const {
  switch (type_) {
    case ColumnType::kFloat32: return static_cast<double>(At<float>(row));
    case ColumnType::kFloat64: return At<double>(row);
    case ColumnType::kUint64: return static_cast<double>(At<uint64_t>(row));
    case ColumnType::kDecimal: {
      double divisor = 1;
      for (int32_t i = 0; i < scale_; i++) divisor *= 10;
      return static_cast<double>(At<Int128>(row)) / divisor;
    }
    case ColumnType::kDate: Die(name(), type_, "double");
    default: return static_cast<double>(Int64(row));
  }
}

std::string_view Column::String(int64_t row) const {
  if (type_ != ColumnType::kString && type_ != ColumnType::kBinary) Die(name(), type_, "string");
  const char* bytes = static_cast<const char*>(array_->buffers[2]);
  const int64_t at = array_->offset + row;
  const bool large = schema_->format[0] == 'U' || schema_->format[0] == 'Z';
  const auto range = [&]<class Offset>(const Offset* offsets) {
    return std::string_view(bytes + offsets[at], static_cast<size_t>(offsets[at + 1] - offsets[at]));
  };
  return large ? range(static_cast<const int64_t*>(array_->buffers[1]))
               : range(static_cast<const int32_t*>(array_->buffers[1]));
}

int64_t Column::Micros(int64_t row) const {
  if (type_ == ColumnType::kDate) return At<int32_t>(row) * int64_t{86'400'000'000};
  if (type_ != ColumnType::kTimestamp) Die(name(), type_, "timestamp");
  return At<int64_t>(row) * micros_factor_ / micros_divisor_;
}

std::pair<int64_t, int64_t> Column::ListRange(int64_t row) const {
  if (type_ != ColumnType::kList) Die(name(), type_, "list");
  const auto* offsets = static_cast<const int32_t*>(array_->buffers[1]) + array_->offset;
  return {offsets[row], offsets[row + 1]};
}

Column Column::child() const {
  if (type_ != ColumnType::kList) Die(name(), type_, "list");
  return Column(schema_->children[0], array_->children[0]);
}

const void* Column::ValuesOf(size_t element_size) const {
  const size_t width = WidthOf(type_);
  if (width != element_size) Die(name(), type_, "an array of another element size");
  return static_cast<const char*>(array_->buffers[1]) + static_cast<size_t>(array_->offset) * width;
}

RecordBatch::RecordBatch(std::shared_ptr<const ArrowSchema> schema, ArrowArray array)
    : schema_(std::move(schema)), array_(new ArrowArray(array), [](ArrowArray* owned) {
        if (owned->release != nullptr) owned->release(owned);
        delete owned;
      }) {}

std::shared_ptr<const ArrowSchema> RecordBatch::Own(ArrowSchema schema) {
  return {new ArrowSchema(schema), [](ArrowSchema* owned) {
            if (owned->release != nullptr) owned->release(owned);
            delete owned;
          }};
}

Column RecordBatch::column(int64_t index) const {
  if (index < 0 || index >= columns()) Die("", ColumnType::kOther, "a column out of range");
  return Column(schema_->children[index], array_->children[index]);
}

Result<Column> RecordBatch::Find(std::string_view name) const {
  std::string names;
  for (int64_t i = 0; i < columns(); i++) {
    Column found = column(i);
    if (found.name() == name) return found;
    names += (i == 0 ? "" : ", ") + std::string(found.name());
  }
  return std::unexpected(NotFound("no column \"{}\"; there are: {}", name, names));
}

}  // namespace headrace
