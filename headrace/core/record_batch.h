// Rows of a table in columns, in memory laid out as Apache Arrow defines it: what a QueryEngine answers and takes.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/arrow_c.h"

namespace headrace {

enum class ColumnType : uint8_t {
  kNull,
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFloat32,
  kFloat64,
  kDecimal,  // 128 bits; read with Int64 (scale 0) or Double
  kString,   // UTF-8
  kBinary,
  kDate,       // days since 1970-01-01
  kTimestamp,  // an instant, or a wall-clock time that is taken as UTC
  kList,       // of one type; ListRange and child()
  kOther,      // neither read nor made by Headrace: cast it in the query
};

std::string_view ColumnTypeName(ColumnType type);  // "int64", "string", …
bool IsInteger(ColumnType type);                   // kInt8 … kUint64
bool IsNumber(ColumnType type);                    // integers, floats, decimal

// One column of a batch: a view, valid as long as its batch. Rows are 0 … size() - 1. A value of a null row is
// unspecified but safe to read. Reading as a type that the column does not hold, or a row out of range, is a
// programming error and aborts.
class Column {
 public:
  Column(const ArrowSchema* schema, const ArrowArray* array);

  std::string_view name() const { return schema_->name == nullptr ? "" : schema_->name; }
  ColumnType type() const { return type_; }
  int64_t size() const { return array_->length; }
  int64_t null_count() const;
  bool IsNull(int64_t row) const;

  bool Bool(int64_t row) const;
  int64_t Int64(int64_t row) const;                          // bool, integers, decimals, dates
  double Double(int64_t row) const;                          // bool, numbers
  std::string_view String(int64_t row) const;                // kString, kBinary
  int64_t Micros(int64_t row) const;                         // kTimestamp and kDate: microseconds since 1970-01-01 UTC
  std::pair<int64_t, int64_t> ListRange(int64_t row) const;  // [begin, end) in child()
  Column child() const;                                      // of a kList

  // The elements themselves, of a column whose elements have T's size and kind (values<float> of a kFloat32, …).
  template <class T>
  std::span<const T> values() const {
    return {static_cast<const T*>(ValuesOf(sizeof(T))), static_cast<size_t>(size())};
  }

 private:
  const void* ValuesOf(size_t element_size) const;
  template <class T>
  T At(int64_t row) const;

  const ArrowSchema* schema_;
  const ArrowArray* array_;
  ColumnType type_;
  int32_t scale_ = 0;           // of a kDecimal
  int64_t micros_divisor_ = 1;  // of a kTimestamp: units per microsecond, or …
  int64_t micros_factor_ = 1;   // … microseconds per unit
};

// What RecordBatch::Make builds a column from.
struct ColumnData {
  std::string name = {};
  std::variant<std::vector<int64_t>, std::vector<double>, std::vector<float>, std::vector<int32_t>,
               std::vector<std::string>>
      values;
  std::vector<bool> valid = {};  // empty: no nulls; else one for each row
};

// A value: copies share the memory, which nobody changes. Thread-safe to read.
class RecordBatch {
 public:
  RecordBatch() = default;
  // Takes over both structs, which the caller must not release; `array` is a struct array ("+s"). Several batches may
  // share one schema.
  RecordBatch(std::shared_ptr<const ArrowSchema> schema, ArrowArray array);
  // kInvalidArgument when the columns differ in length. Copies nothing.
  static Result<RecordBatch> Make(std::vector<ColumnData> columns);

  // A schema that is released with its last user.
  static std::shared_ptr<const ArrowSchema> Own(ArrowSchema schema);

  int64_t rows() const { return array_ == nullptr ? 0 : array_->length; }
  int64_t columns() const { return schema_ == nullptr ? 0 : schema_->n_children; }
  Column column(int64_t index) const;
  // kNotFound, naming the columns there are.
  Result<Column> Find(std::string_view name) const;

  const ArrowSchema* schema() const { return schema_.get(); }
  // An array for a consumer that takes ownership: its release drops one share of this batch's memory.
  ArrowArray Export() const;
  // What keeps the memory alive, for tensors that point into it.
  std::shared_ptr<const void> owner() const { return array_; }

 private:
  std::shared_ptr<const ArrowSchema> schema_;
  std::shared_ptr<const ArrowArray> array_;
};

}  // namespace headrace
