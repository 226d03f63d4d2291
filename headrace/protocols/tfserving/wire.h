// Protobuf's wire format by hand, for messages that are mostly numbers: tensors are views into the message instead of
// copies of it. https://protobuf.dev/programming-guides/encoding/
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace headrace::tfserving {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Reads the fields of a message one after another:
//   for (WireReader reader(bytes); reader.Next();) if (reader.field() == 1) … reader.bytes();
// Next is false at the end and at a fault; ok() tells which. Groups are faults.
class WireReader {
 public:
  explicit WireReader(std::string_view message) : at_(message.data()), end_(at_ + message.size()) {}

  bool Next() {
    if (at_ == end_) return false;
    uint64_t tag = 0;
    if (!ReadVarint(&tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return Fault();
    field_ = static_cast<uint32_t>(tag >> 3);
    type_ = static_cast<WireType>(tag & 7);
    switch (type_) {
      case WireType::kVarint: return ReadVarint(&number_) || Fault();
      case WireType::kFixed64: return ReadFixed(8) || Fault();
      case WireType::kFixed32: return ReadFixed(4) || Fault();
      case WireType::kBytes: return ReadBytes() || Fault();
    }
    return Fault();
  }
  bool ok() const { return ok_; }
  uint32_t field() const { return field_; }
  WireType type() const { return type_; }
  bool Is(uint32_t field, WireType type) const { return field_ == field && type_ == type; }
  uint64_t number() const { return number_; }        // of a varint
  std::string_view bytes() const { return bytes_; }  // of kBytes; the 4 or 8 bytes of a fixed field

  // Varints one behind the other, as in a packed list.
  bool ReadVarint(uint64_t* value) {
    uint64_t result = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return false;
      const auto byte = static_cast<uint8_t>(*at_++);
      result |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        *value = result;
        return true;
      }
    }
    return false;
  }
  bool AtEnd() const { return at_ == end_; }

 private:
  bool Fault() {
    ok_ = false;
    at_ = end_;
    return false;
  }
  bool ReadFixed(size_t size) {
    if (static_cast<size_t>(end_ - at_) < size) return false;
    bytes_ = {at_, size};
    at_ += size;
    return true;
  }
  bool ReadBytes() {
    uint64_t size = 0;
    return ReadVarint(&size) && size <= static_cast<uint64_t>(end_ - at_) && ReadFixed(size);
  }

  const char* at_;
  const char* const end_;
  bool ok_ = true;
  uint32_t field_ = 0;
  WireType type_ = WireType::kVarint;
  uint64_t number_ = 0;
  std::string_view bytes_;
};

inline size_t VarintSize(uint64_t value) { return static_cast<size_t>((std::bit_width(value | 1) + 6) / 7); }

// Bytes of a length-delimited field with a number below 16.
inline size_t BytesFieldSize(size_t length) { return 1 + VarintSize(length) + length; }

inline void AppendVarint(std::string* out, uint64_t value) {
  while (value >= 0x80) {
    *out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out += static_cast<char>(value);
}
inline void AppendTag(std::string* out, uint32_t field, WireType type) {
  AppendVarint(out, field << 3 | static_cast<uint32_t>(type));
}
// The head of a length-delimited field; its bytes follow.
inline void AppendBytesHead(std::string* out, uint32_t field, size_t length) {
  AppendTag(out, field, WireType::kBytes);
  AppendVarint(out, length);
}
inline void AppendBytes(std::string* out, uint32_t field, std::string_view bytes) {
  AppendBytesHead(out, field, bytes.size());
  out->append(bytes);
}
inline void AppendNumber(std::string* out, uint32_t field, uint64_t value) {
  AppendTag(out, field, WireType::kVarint);
  AppendVarint(out, value);
}

}  // namespace headrace::tfserving
