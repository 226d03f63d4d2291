#include "headrace/protocols/tfserving/tensor_wire.h"

#include <algorithm>
#include <type_traits>

#include "headrace/base/proto_wire.h"
#include "headrace/protocols/tfserving/data_type.h"

namespace headrace::tfserving {
namespace {

// Field numbers of tensorflow.TensorProto and TensorShapeProto.
constexpr uint32_t kDtype = 1;
constexpr uint32_t kShape = 2;
constexpr uint32_t kContent = 4;
constexpr uint32_t kDim = 2;
constexpr uint32_t kUnknownRank = 3;
constexpr uint32_t kDimSize = 1;

constexpr size_t kMaxRepeatedBytes = size_t{256} << 20;  // what a short list may be stretched to
constexpr size_t kMaxRank = 254;

// How a type's elements lie in their typed list.
enum class ListKind { kRaw, kVarint, kBytes };
struct List {
  uint32_t field = 0;
  ListKind kind = ListKind::kRaw;
  size_t unit = 0;  // kRaw: bytes of one list entry; a complex number has two
};

List ListOf(DataType type) {
  switch (type) {
    case DataType::kFloat32: return {5, ListKind::kRaw, 4};
    case DataType::kFloat64: return {6, ListKind::kRaw, 8};
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
    case DataType::kUint8:
    case DataType::kUint16: return {7, ListKind::kVarint, 0};
    case DataType::kString: return {8, ListKind::kBytes, 0};
    case DataType::kComplex64: return {9, ListKind::kRaw, 4};
    case DataType::kInt64: return {10, ListKind::kVarint, 0};
    case DataType::kBool: return {11, ListKind::kVarint, 0};
    case DataType::kComplex128: return {12, ListKind::kRaw, 8};
    case DataType::kFloat16:
    case DataType::kBfloat16: return {13, ListKind::kVarint, 0};
    case DataType::kUint32: return {16, ListKind::kVarint, 0};
    case DataType::kUint64: return {17, ListKind::kVarint, 0};
    case DataType::kInvalid: break;
  }
  return {};
}

struct Head {
  std::string_view input;
  DataType type = DataType::kInvalid;
  int type_number = 0;
  Shape shape;
  size_t elements = 0;
  std::string_view content;
};

Status Malformed(std::string_view input) { return InvalidArgument("input \"{}\": malformed TensorProto", input); }

Status ReadShape(std::string_view message, Head* head) {
  ProtoReader reader(message);
  while (reader.Next()) {
    if (reader.field() == kUnknownRank && reader.is_varint() && reader.number() != 0)
      return InvalidArgument("input \"{}\": the tensor's shape has an unknown rank", head->input);
    if ((reader.field() != kDim || !reader.is_bytes())) continue;
    int64_t size = 0;
    ProtoReader dim(reader.bytes());
    while (dim.Next())
      if (dim.field() == kDimSize && dim.is_varint()) size = static_cast<int64_t>(dim.number());
    if (!dim.ok()) return Malformed(head->input);
    if (head->shape.size() == kMaxRank)
      return InvalidArgument("input \"{}\": more than {} dimensions", head->input, kMaxRank);
    head->shape.push_back(size);
  }
  return reader.ok() ? OkStatus() : Malformed(head->input);
}

Status ReadHead(std::string_view message, Head* head) {
  ProtoReader reader(message);
  while (reader.Next()) {
    if (reader.field() == kDtype && reader.is_varint()) head->type_number = static_cast<int>(reader.number());
    if (reader.field() == kContent && reader.is_bytes()) head->content = reader.bytes();
    if (reader.field() == kShape && reader.is_bytes()) HR_RETURN_IF_ERROR(ReadShape(reader.bytes(), head));
  }
  if (!reader.ok()) return Malformed(head->input);
  head->type = FromTensorFlowType(head->type_number);
  if (head->type == DataType::kInvalid)
    return InvalidArgument("input \"{}\": tensors of dtype {} are not taken", head->input, head->type_number);
  const auto elements = ElementCount(head->shape);
  if (!elements) return InvalidArgument("input \"{}\": invalid shape {}", head->input, ShapeToString(head->shape));
  head->elements = static_cast<size_t>(*elements);
  return OkStatus();
}

bool Aligned(const void* data, size_t alignment) { return reinterpret_cast<uintptr_t>(data) % alignment == 0; }

Tensor Wrap(const Head& head, std::string_view bytes, Arena* arena) {
  const size_t alignment = std::min<size_t>(DataTypeSize(head.type), 8);
  const char* data = bytes.data();
  if (!Aligned(data, alignment)) {
    char* copy = arena->Allocate(bytes.size() + 1, 64);
    std::memcpy(copy, bytes.data(), bytes.size());
    data = copy;
  }
  return Tensor(head.type, head.shape, data, nullptr);
}

// tensor_content of strings: all lengths as varints, then all bytes.
Result<Tensor> StringContent(const Head& head, Arena* arena) {
  if (head.elements > head.content.size()) return std::unexpected(Malformed(head.input));
  const auto views = arena->AllocateArray<std::string_view>(head.elements);
  std::string_view lengths = head.content;
  size_t total = 0;
  for (auto& view : views) {
    uint64_t length = 0;
    if (!ProtoReader::TakeVarint(&lengths, &length) || length > head.content.size())
      return std::unexpected(Malformed(head.input));
    view = {head.content.data(), length};
    total += length;
  }
  if (total > head.content.size()) return std::unexpected(Malformed(head.input));
  const char* at = head.content.data() + head.content.size() - total;
  for (auto& view : views) {
    view = {at, view.size()};
    at += view.size();
  }
  return Tensor(head.shape, views.data(), nullptr);
}

Result<Tensor> FromContent(const Head& head, Arena* arena) {
  if (head.type == DataType::kString) return StringContent(head, arena);
  const size_t wanted = head.elements * DataTypeSize(head.type);
  if (head.elements <= head.content.size() && head.content.size() == wanted) return Wrap(head, head.content, arena);
  return std::unexpected(InvalidArgument("input \"{}\": tensor_content has {} bytes; the shape {} of {} needs {}",
                                         head.input, head.content.size(), ShapeToString(head.shape),
                                         DataTypeName(head.type), wanted));
}

// The elements of a typed list, packed or one by one.
struct Elements {
  const Head& head;
  char* out;
  size_t capacity;  // elements
  size_t count = 0;

  bool AddRaw(std::string_view bytes) {
    const size_t size = DataTypeSize(head.type);
    if (bytes.size() > capacity * size - count) return false;
    std::memcpy(out + count, bytes.data(), bytes.size());
    count += bytes.size();  // bytes here; divided at the end
    return true;
  }
  template <class T>
  bool AddVarint(uint64_t value) {
    if (count == capacity) return false;
    reinterpret_cast<T*>(out)[count++] = static_cast<T>(value);
    return true;
  }
  bool AddNumber(uint64_t value) {
    switch (DataTypeSize(head.type)) {
      case 1: return AddVarint<uint8_t>(head.type == DataType::kBool ? value != 0 : value);
      case 2: return AddVarint<uint16_t>(value);
      case 4: return AddVarint<uint32_t>(value);
      default: return AddVarint<uint64_t>(value);
    }
  }
  bool AddString(std::string_view bytes) {
    if (count == capacity) return false;
    reinterpret_cast<std::string_view*>(out)[count++] = bytes;
    return true;
  }
};

bool AddField(const ProtoReader& field, const List& list, Elements* elements) {
  if (list.kind == ListKind::kBytes) return field.is_bytes() && elements->AddString(field.bytes());
  if (list.kind == ListKind::kRaw) {
    if (field.is_bytes()) return field.bytes().size() % list.unit == 0 && elements->AddRaw(field.bytes());
    const uint64_t bits = field.number();
    return !field.is_varint() && elements->AddRaw({reinterpret_cast<const char*>(&bits), list.unit});
  }
  if (field.is_varint()) return elements->AddNumber(field.number());
  if (!field.is_bytes()) return false;
  for (std::string_view packed = field.bytes(); !packed.empty();) {
    uint64_t value = 0;
    if (!ProtoReader::TakeVarint(&packed, &value) || !elements->AddNumber(value)) return false;
  }
  return true;
}

// Repeats the last value, or zeros, up to the shape's size.
void Stretch(char* out, size_t count, size_t total, size_t size, bool strings) {
  if (count == 0) {
    if (strings)
      std::fill_n(reinterpret_cast<std::string_view*>(out), total, std::string_view());
    else
      std::memset(out, 0, total * size);
    return;
  }
  for (size_t i = count; i < total; i++) std::memcpy(out + i * size, out + (count - 1) * size, size);
}

Result<Tensor> FromList(const Head& head, std::string_view message, Arena* arena) {
  const List list = ListOf(head.type);
  const bool strings = head.type == DataType::kString;
  const size_t size = strings ? sizeof(std::string_view) : DataTypeSize(head.type);
  // The usual case: one packed list that fills the shape, used where it lies.
  if (list.kind == ListKind::kRaw && head.elements <= message.size()) {
    for (ProtoReader reader(message); reader.Next();)
      if (reader.field() == list.field && reader.is_bytes() && reader.bytes().size() == head.elements * size)
        return Wrap(head, reader.bytes(), arena);
  }
  if (head.elements > std::max(kMaxRepeatedBytes, message.size()) / size)
    return std::unexpected(InvalidArgument("input \"{}\": {} bytes are too few for the shape {}", head.input,
                                           message.size(), ShapeToString(head.shape)));
  Elements elements{head, arena->Allocate(head.elements * size + 1, 64), head.elements};
  for (ProtoReader reader(message); reader.Next();) {
    if (reader.field() != list.field || AddField(reader, list, &elements)) continue;
    return std::unexpected(InvalidArgument("input \"{}\": malformed values, or more than the shape {} holds",
                                           head.input, ShapeToString(head.shape)));
  }
  const size_t count = list.kind == ListKind::kRaw ? elements.count / size : elements.count;
  if (count < head.elements) Stretch(elements.out, count, head.elements, size, strings);
  if (strings) return Tensor(head.shape, reinterpret_cast<std::string_view*>(elements.out), nullptr);
  return Tensor(head.type, head.shape, elements.out, nullptr);
}

// The value of an element as its varint: sign-extended for signed types.
template <class T>
uint64_t AsVarint(T value) {
  if constexpr (std::is_signed_v<T>) return static_cast<uint64_t>(static_cast<int64_t>(value));
  return static_cast<uint64_t>(value);
}

template <class Visit>
void VisitVarints(const Tensor& tensor, Visit visit) {
  const auto each = [&]<class T>(T) {
    for (const T value : tensor.values<T>()) visit(AsVarint(value));
  };
  switch (tensor.type()) {
    case DataType::kBool:
    case DataType::kUint8: return each(uint8_t());
    case DataType::kInt8: return each(int8_t());
    case DataType::kInt16: return each(int16_t());
    case DataType::kInt32: return each(int32_t());
    case DataType::kInt64: return each(int64_t());
    case DataType::kFloat16:
    case DataType::kBfloat16:
    case DataType::kUint16: return each(uint16_t());
    case DataType::kUint32: return each(uint32_t());
    case DataType::kUint64: return each(uint64_t());
    default: return;
  }
}

bool IsRaw(const Tensor& tensor, const List& list, bool content) {
  return list.kind == ListKind::kRaw || (content && tensor.type() != DataType::kString);
}

size_t VarintListSize(const Tensor& tensor) {
  size_t size = 0;
  VisitVarints(tensor, [&](uint64_t value) { size += ProtoWriter::VarintSize(value); });
  return size;
}

size_t ElementsSize(const Tensor& tensor, bool content) {
  const List list = ListOf(tensor.type());
  const size_t tag =
      ProtoWriter::VarintSize((content && tensor.type() != DataType::kString ? kContent : list.field) << 3);
  if (tensor.type() == DataType::kString) {
    size_t size = 0;
    for (const std::string_view text : tensor.strings()) size += ProtoWriter::BytesSize(text.size());
    return size;
  }
  const size_t length = IsRaw(tensor, list, content) ? tensor.bytes() : VarintListSize(tensor);
  return length == 0 ? 0 : tag + ProtoWriter::VarintSize(length) + length;
}

void AppendElements(const Tensor& tensor, bool content, ProtoWriter writer) {
  const List list = ListOf(tensor.type());
  if (tensor.type() == DataType::kString) {
    for (const std::string_view text : tensor.strings()) writer.Bytes(list.field, text);
    return;
  }
  if (IsRaw(tensor, list, content)) {
    const std::string_view bytes(static_cast<const char*>(tensor.data()), tensor.bytes());
    if (!bytes.empty()) writer.Bytes(content ? kContent : list.field, bytes);
    return;
  }
  const size_t length = VarintListSize(tensor);
  if (length == 0) return;
  writer.BytesHead(list.field, length);
  VisitVarints(tensor, [&](uint64_t value) { writer.Varint(value); });
}

// Negative sizes do not occur in a result.
size_t DimSize(int64_t size) { return size == 0 ? 0 : 1 + ProtoWriter::VarintSize(static_cast<uint64_t>(size)); }

size_t ShapeSize(const Shape& shape) {
  size_t size = 0;
  for (const int64_t dimension : shape) size += ProtoWriter::BytesSize(DimSize(dimension));
  return size;
}

}  // namespace

Result<Tensor> ParseTensor(std::string_view message, std::string_view input, Arena* arena) {
  Head head{.input = input, .shape = {}, .content = {}};
  HR_UNEXPECTED_IF_ERROR(ReadHead(message, &head));
  if (!head.content.empty()) return FromContent(head, arena);
  return FromList(head, message, arena);
}

size_t TensorMessageSize(const Tensor& tensor, bool content) {
  return 1 + ProtoWriter::VarintSize(static_cast<uint64_t>(TensorFlowType(tensor.type()))) +
         ProtoWriter::BytesSize(ShapeSize(tensor.shape())) + ElementsSize(tensor, content);
}

void AppendTensorMessage(const Tensor& tensor, bool content, std::string* out) {
  ProtoWriter writer(out);
  writer.Number(kDtype, static_cast<uint64_t>(TensorFlowType(tensor.type())));
  writer.BytesHead(kShape, ShapeSize(tensor.shape()));
  for (const int64_t dimension : tensor.shape()) {
    writer.BytesHead(kDim, DimSize(dimension));
    if (dimension != 0) writer.Number(kDimSize, static_cast<uint64_t>(dimension));
  }
  AppendElements(tensor, content, writer);
}

}  // namespace headrace::tfserving
