#include "headrace/protocols/tfserving/json_error.h"

#include <rapidjson/encodedstream.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>

namespace headrace::tfserving {
namespace {

constexpr size_t kMaxQuoted = 256;
constexpr unsigned kFlags =
    rapidjson::kParseIterativeFlag | rapidjson::kParseNanAndInfFlag | rapidjson::kParseStopWhenDoneFlag;

// Passes a value's parts on until enough is written.
class Quoter {
 public:
  using Ch = char;
  using Size = rapidjson::SizeType;

  Quoter() { writer_.SetFormatOptions(rapidjson::kFormatSingleLineArray); }
  std::string text() const { return {buffer_.GetString(), buffer_.GetSize()}; }

  bool Null() { return Room() && writer_.Null(); }
  bool Bool(bool value) { return Room() && writer_.Bool(value); }
  bool Int(int value) { return Room() && writer_.Int(value); }
  bool Uint(unsigned value) { return Room() && writer_.Uint(value); }
  bool Int64(int64_t value) { return Room() && writer_.Int64(value); }
  bool Uint64(uint64_t value) { return Room() && writer_.Uint64(value); }
  bool Double(double value) { return Room() && writer_.Double(value); }
  bool RawNumber(const Ch* text, Size size, bool copy) { return Room() && writer_.RawNumber(text, size, copy); }
  bool String(const Ch* text, Size size, bool copy) { return Room() && writer_.String(text, Cut(text, size), copy); }
  bool StartObject() { return Room() && writer_.StartObject(); }
  bool Key(const Ch* text, Size size, bool copy) { return Room() && writer_.Key(text, Cut(text, size), copy); }
  bool EndObject(Size members) { return Room() && writer_.EndObject(members); }
  bool StartArray() { return Room() && writer_.StartArray(); }
  bool EndArray(Size elements) { return Room() && writer_.EndArray(elements); }

 private:
  bool Room() const { return buffer_.GetSize() < kMaxQuoted; }
  // Where a character of UTF-8 ends.
  static Size Cut(const Ch* text, Size size) {
    if (size <= kMaxQuoted) return size;
    Size cut = kMaxQuoted;
    while (cut > 0 && (text[cut] & 0xC0) == 0x80) cut--;
    return cut;
  }

  rapidjson::StringBuffer buffer_;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer_{buffer_};
};

// Looks at nothing but the depth, for each level of which RapidJSON keeps a state.
class DepthLimit : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, DepthLimit> {
 public:
  bool StartObject() { return ++depth_ <= kMaxDepth; }
  bool StartArray() { return ++depth_ <= kMaxDepth; }
  bool EndObject(rapidjson::SizeType) { return depth_-- > 0; }
  bool EndArray(rapidjson::SizeType) { return depth_-- > 0; }

 private:
  static constexpr size_t kMaxDepth = 1000;
  size_t depth_ = 0;
};

template <class Handler>
rapidjson::ParseResult Read(std::string_view text, Handler& handler) {
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  return rapidjson::Reader().Parse<kFlags>(stream, handler);
}

}  // namespace

Status CheckJsonObject(std::string_view text) {
  if (text.empty()) return InvalidArgument("JSON Parse error: The document is empty");
  DepthLimit limit;
  const rapidjson::ParseResult result = Read(text, limit);
  if (result.Code() == rapidjson::kParseErrorTermination) return OkStatus();  // too deep for whoever refused it, too
  if (result.IsError())
    return InvalidArgument("JSON Parse error: {} at offset: {}", rapidjson::GetParseError_En(result.Code()),
                           result.Offset());
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != text.npos && text[first] == '{') return OkStatus();
  return JsonFormatError(text, "Is not object");
}

std::string QuoteJson(std::string_view text) {
  Quoter quoter;
  Read(text, quoter);
  return quoter.text();
}

Status JsonFormatError(std::string_view text, std::string_view what) {
  return InvalidArgument("JSON Value: {} {}", QuoteJson(text), what);
}

}  // namespace headrace::tfserving
