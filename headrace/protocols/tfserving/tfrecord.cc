#include "headrace/protocols/tfserving/tfrecord.h"

#include <array>
#include <cstring>

namespace headrace::tfserving {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kFooterBytes = 4;

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
    table[i] = crc;
  }
  return table;
}

constexpr auto kTable = MakeTable();

template <class T>
T ReadLittleEndian(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

template <class T>
void AppendLittleEndian(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

uint32_t MaskedCrc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const unsigned char byte : bytes) crc = kTable[(crc ^ byte) & 0xff] ^ (crc >> 8);
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

Result<std::optional<std::string_view>> TfRecordReader::Next() {
  if (rest_.empty()) return std::nullopt;
  number_++;
  if (rest_.size() < kHeaderBytes) return std::unexpected(DataLoss("record {} is cut off in its header", number_));
  const auto length = ReadLittleEndian<uint64_t>(rest_);
  if (MaskedCrc32c(rest_.substr(0, 8)) != ReadLittleEndian<uint32_t>(rest_.substr(8)))
    return std::unexpected(DataLoss("record {}: the length's checksum does not match", number_));
  rest_.remove_prefix(kHeaderBytes);
  if (rest_.size() < kFooterBytes || rest_.size() - kFooterBytes < length)
    return std::unexpected(
        DataLoss("record {} is cut off: {} bytes expected, {} there", number_, length, rest_.size()));
  const std::string_view record = rest_.substr(0, length);
  if (MaskedCrc32c(record) != ReadLittleEndian<uint32_t>(rest_.substr(length)))
    return std::unexpected(DataLoss("record {}: the checksum does not match", number_));
  rest_.remove_prefix(length + kFooterBytes);
  return record;
}

void AppendTfRecord(std::string_view record, std::string* file) {
  const size_t start = file->size();
  AppendLittleEndian<uint64_t>(record.size(), file);
  AppendLittleEndian(MaskedCrc32c(std::string_view(*file).substr(start, 8)), file);
  file->append(record);
  AppendLittleEndian(MaskedCrc32c(record), file);
}

}  // namespace headrace::tfserving
