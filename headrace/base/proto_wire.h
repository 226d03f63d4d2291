// Protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding/), read and written in place where a
// generated message would copy the tensors. Little-endian machines.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace headrace {

// Walks over one message's fields. What it hands out points into the message.
//
//   ProtoReader reader(bytes);
//   while (reader.Next())
//     if (reader.field() == 1 && reader.is_bytes()) name = reader.bytes();
//   if (!reader.ok()) …the message is broken
class ProtoReader {
 public:
  enum class Type : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  explicit ProtoReader(std::string_view message) : at_(message.data()), end_(message.data() + message.size()) {}

  // Moves to the next field; false at the end, or where the message is broken.
  bool Next() {
    uint64_t tag = 0;
    if (at_ == end_ || !ok_) return false;
    ok_ = ReadVarint(&tag) && tag >> 3 != 0 && tag >> 3 <= 0x1fffffff;
    field_ = static_cast<uint32_t>(tag >> 3);
    type_ = static_cast<Type>(tag & 7);
    return ok_ = ok_ && ReadValue();
  }
  bool ok() const { return ok_; }

  uint32_t field() const { return field_; }
  Type type() const { return type_; }
  bool is_bytes() const { return type_ == Type::kBytes; }
  bool is_varint() const { return type_ == Type::kVarint; }
  // Of kVarint, kFixed64 and kFixed32.
  uint64_t number() const { return number_; }
  // Of kBytes: strings, messages, packed numbers.
  std::string_view bytes() const { return bytes_; }

  // One varint at the start of `packed`, taken off; false when it is cut short.
  static bool TakeVarint(std::string_view* packed, uint64_t* value) {
    ProtoReader reader(*packed);
    if (!reader.ReadVarint(value)) return false;
    packed->remove_prefix(static_cast<size_t>(reader.at_ - packed->data()));
    return true;
  }

 private:
  bool ReadVarint(uint64_t* value) {
    uint64_t out = 0;
    for (unsigned shift = 0; shift < 64 && at_ < end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      out |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        *value = out;
        return true;
      }
    }
    return false;
  }
  bool ReadFixed(size_t size) {
    if (static_cast<size_t>(end_ - at_) < size) return false;
    number_ = 0;
    std::memcpy(&number_, at_, size);
    at_ += size;
    return true;
  }
  bool ReadValue() {
    switch (type_) {
      case Type::kVarint: return ReadVarint(&number_);
      case Type::kFixed64: return ReadFixed(8);
      case Type::kFixed32: return ReadFixed(4);
      case Type::kBytes: {
        uint64_t length = 0;
        if (!ReadVarint(&length) || length > static_cast<uint64_t>(end_ - at_)) return false;
        bytes_ = {at_, static_cast<size_t>(length)};
        at_ += length;
        return true;
      }
    }
    return false;  // groups, which proto3 does not have
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
  Type type_ = Type::kVarint;
  uint32_t field_ = 0;
  uint64_t number_ = 0;
  std::string_view bytes_;
};

// Appends fields to a message.
class ProtoWriter {
 public:
  explicit ProtoWriter(std::string* out) : out_(out) {}

  void Varint(uint64_t value) {
    char bytes[10];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<char>(value | 0x80);
    bytes[size++] = static_cast<char>(value);
    out_->append(bytes, size);
  }
  // The head of a field whose `size` bytes the caller writes next.
  void BytesHead(uint32_t field, size_t size) {
    Varint(field << 3 | static_cast<uint32_t>(ProtoReader::Type::kBytes));
    Varint(size);
  }
  void Bytes(uint32_t field, std::string_view value) {
    BytesHead(field, value.size());
    out_->append(value);
  }
  // Nothing when empty, as proto3 writes strings.
  void String(uint32_t field, std::string_view value) {
    if (!value.empty()) Bytes(field, value);
  }
  void Number(uint32_t field, uint64_t value) {
    Varint(field << 3);
    Varint(value);
  }
  // What BytesHead and its bytes take, for a field number below 16.
  static size_t BytesSize(size_t size) { return 1 + VarintSize(size) + size; }
  static size_t VarintSize(uint64_t value) {
    size_t size = 1;
    for (; value >= 0x80; value >>= 7) size++;
    return size;
  }

 private:
  std::string* const out_;
};

}  // namespace headrace
