// TFRecord files (https://www.tensorflow.org/tutorials/load_data/tfrecord): records one after the other, each a 64-bit
// little-endian length, its masked CRC-32C, the bytes, and their masked CRC-32C.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/base/status.h"

namespace headrace::tfserving {

// Reads records from bytes that outlive it. Not thread-safe.
class TfRecordReader {
 public:
  explicit TfRecordReader(std::string_view file) : rest_(file) {}
  // The next record, a view into the file; nullopt at the end. kDataLoss, with the record's number, for a checksum that
  // does not match or a record that is cut off.
  Result<std::optional<std::string_view>> Next();

 private:
  std::string_view rest_;
  int64_t number_ = 0;
};

void AppendTfRecord(std::string_view record, std::string* file);

// CRC-32C (Castagnoli) as TFRecord masks it.
uint32_t MaskedCrc32c(std::string_view bytes);

}  // namespace headrace::tfserving
