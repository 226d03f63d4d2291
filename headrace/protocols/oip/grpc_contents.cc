#include "headrace/protocols/oip/grpc_contents.h"

#include <type_traits>

#include "headrace/base/proto_wire.h"

namespace headrace::oip {
namespace {

// The field of InferTensorContents that holds elements of `type`; 0: none does.
uint32_t FieldOf(DataType type) {
  switch (type) {
    case DataType::kBool: return 1;
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32: return 2;
    case DataType::kInt64: return 3;
    case DataType::kUint8:
    case DataType::kUint16:
    case DataType::kUint32: return 4;
    case DataType::kUint64: return 5;
    case DataType::kFloat32: return 6;
    case DataType::kFloat64: return 7;
    case DataType::kString: return 8;
    default: return 0;
  }
}

class Contents {
 public:
  Contents(const GrpcInput& input, DataType type, std::string_view model, size_t count, Arena* arena)
      : input_(input), type_(type), field_(FieldOf(type)), model_(model), count_(count), arena_(arena) {}

  // Calls take(reader) for each occurrence of the type's field.
  template <class Take>
  Status ForEach(Take take) {
    for (const std::string_view contents : input_.contents) {
      ProtoReader reader(contents);
      while (reader.Next()) {
        if (reader.field() == field_) {
          HR_RETURN_IF_ERROR(take(reader));
        } else if (reader.field() <= 8 && !(reader.is_bytes() && reader.bytes().empty())) {
          return InvalidArgument(
              "unexpected explicit tensor data for input tensor '{}' for model '{}': field {} of the contents does not "
              "hold {}",
              input_.name, model_, reader.field(), input_.datatype);
        }
      }
      if (!reader.ok()) return Broken();
    }
    return OkStatus();
  }

  // Elements that the wire packs as varints.
  template <class T>
  Result<Tensor> Varints() {
    const auto out = arena_->AllocateArray<T>(count_);
    size_t index = 0;
    const auto store = [&](uint64_t value) -> Status {
      if (index == count_) return Mismatch(index + 1);
      HR_RETURN_IF_ERROR(Narrow(value, index, &out[index]));
      index++;
      return OkStatus();
    };
    const auto take = [&](const ProtoReader& reader) -> Status {
      if (reader.is_varint()) return store(reader.number());
      if (!reader.is_bytes()) return Broken();
      std::string_view packed = reader.bytes();
      for (uint64_t value = 0; !packed.empty();) {
        if (!ProtoReader::TakeVarint(&packed, &value)) return Broken();
        HR_RETURN_IF_ERROR(store(value));
      }
      return OkStatus();
    };
    HR_UNEXPECTED_IF_ERROR(ForEach(take));
    if (index != count_) return std::unexpected(Mismatch(index));
    return Tensor(type_, input_.shape, out.data(), nullptr);
  }

  // Elements that the wire packs as they lie in memory.
  template <class T>
  Result<Tensor> Fixed() {
    T* out = nullptr;
    const char* in_place = nullptr;
    size_t index = 0;
    const auto take = [&](const ProtoReader& reader) -> Status {
      const uint64_t number = reader.number();
      const std::string_view run =
          reader.is_bytes() ? reader.bytes() : std::string_view(reinterpret_cast<const char*>(&number), sizeof(T));
      const size_t elements = run.size() / sizeof(T);
      if (run.size() % sizeof(T) != 0 || reader.is_varint()) return Broken();
      if (elements > count_ - index) return Mismatch(index + elements);
      const bool aligned = reinterpret_cast<uintptr_t>(run.data()) % alignof(T) == 0;
      if (reader.is_bytes() && elements == count_ && aligned) {
        in_place = run.data();
      } else if (elements > 0) {
        if (out == nullptr) out = arena_->AllocateArray<T>(count_).data();
        std::memcpy(out + index, run.data(), run.size());
      }
      index += elements;
      return OkStatus();
    };
    HR_UNEXPECTED_IF_ERROR(ForEach(take));
    if (index != count_) return std::unexpected(Mismatch(index));
    return Tensor(type_, input_.shape, in_place != nullptr ? static_cast<const void*>(in_place) : out, nullptr);
  }

  Result<Tensor> Strings() {
    const auto out = arena_->AllocateArray<std::string_view>(count_);
    size_t index = 0;
    const auto take = [&](const ProtoReader& reader) -> Status {
      if (!reader.is_bytes()) return Broken();
      if (index == count_) return Mismatch(index + 1);
      out[index++] = reader.bytes();
      return OkStatus();
    };
    HR_UNEXPECTED_IF_ERROR(ForEach(take));
    if (index != count_) return std::unexpected(Mismatch(index));
    return Tensor(input_.shape, out.data(), nullptr);
  }

 private:
  Status Broken() const {
    return InvalidArgument("the contents of input '{}' for model '{}' are not an InferTensorContents message",
                           input_.name, model_);
  }
  Status Mismatch(size_t found) const {
    return InvalidArgument(
        "input '{}' for model '{}': shape {} has {} elements, but its contents have {}{}; fill the field for {}, or "
        "raw_input_contents",
        input_.name, model_, ShapeToString(input_.shape), count_, found > count_ ? "at least " : "", found,
        input_.datatype);
  }
  template <class T>
  Status Narrow(uint64_t wire, size_t index, T* out) const {
    if constexpr (std::is_same_v<T, bool>) {
      *out = wire != 0;
      return OkStatus();
    } else {
      *out = static_cast<T>(wire);
      using Wire = std::conditional_t<std::is_signed_v<T>, std::conditional_t<sizeof(T) == 8, int64_t, int32_t>,
                                      std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>>;
      if (static_cast<Wire>(wire) == static_cast<Wire>(*out)) return OkStatus();
      return InvalidArgument("input '{}' for model '{}': element {}: {} is out of the range of {}", input_.name, model_,
                             index, static_cast<Wire>(wire), input_.datatype);
    }
  }

  const GrpcInput& input_;
  const DataType type_;
  const uint32_t field_;
  const std::string_view model_;
  const size_t count_;
  Arena* const arena_;
};

// How many elements the wire can hold at most, to refuse a shape before memory is taken for it.
size_t MostElements(const GrpcInput& input) {
  size_t bytes = 0;
  for (const std::string_view contents : input.contents) bytes += contents.size();
  return bytes;
}

}  // namespace

Result<Tensor> ReadContents(const GrpcInput& input, DataType type, std::string_view model, Arena* arena) {
  const auto elements = ElementCount(input.shape);
  if (!elements)
    return std::unexpected(
        InvalidArgument("invalid shape for input '{}': shape {} contains one or more invalid dimensions", input.name,
                        ShapeToString(input.shape)));
  const auto count = static_cast<size_t>(*elements);
  if (count > MostElements(input))
    return std::unexpected(
        InvalidArgument("unable to find data for input tensor '{}' for model '{}' in request: shape {} has {} elements",
                        input.name, model, ShapeToString(input.shape), count));
  Contents contents(input, type, model, count, arena);
  switch (type) {
    case DataType::kBool: return contents.Varints<bool>();
    case DataType::kInt8: return contents.Varints<int8_t>();
    case DataType::kInt16: return contents.Varints<int16_t>();
    case DataType::kInt32: return contents.Varints<int32_t>();
    case DataType::kInt64: return contents.Varints<int64_t>();
    case DataType::kUint8: return contents.Varints<uint8_t>();
    case DataType::kUint16: return contents.Varints<uint16_t>();
    case DataType::kUint32: return contents.Varints<uint32_t>();
    case DataType::kUint64: return contents.Varints<uint64_t>();
    case DataType::kFloat32: return contents.Fixed<float>();
    case DataType::kFloat64: return contents.Fixed<double>();
    case DataType::kString: return contents.Strings();
    default:
      return std::unexpected(InvalidArgument(
          "unexpected explicit tensor data for input tensor '{}' for model '{}': {} travels in raw_input_contents only",
          input.name, model, input.datatype));
  }
}

}  // namespace headrace::oip
