#include "headrace/net/compression.h"

#include <strings.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>

namespace headrace::net {
namespace {

constexpr int kGzipBits = 15 + 16;
constexpr int kZlibBits = 15;
constexpr int kRawBits = -15;
constexpr size_t kStep = 64 << 10;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool Is(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

struct Stream {
  z_stream z{};
  int (*end)(z_streamp) = nullptr;
  ~Stream() {
    if (end != nullptr) end(&z);
  }
};

// zlib's header: method 8 and a checksum over two bytes; anything else is raw deflate.
bool LooksLikeZlib(std::string_view input) {
  if (input.size() < 2) return false;
  const auto first = static_cast<unsigned char>(input[0]);
  const auto second = static_cast<unsigned char>(input[1]);
  return (first & 15) == 8 && (first * 256 + second) % 31 == 0;
}

int WindowBits(Encoding encoding, std::string_view input) {
  if (encoding == Encoding::kGzip) return kGzipBits;
  return LooksLikeZlib(input) ? kZlibBits : kRawBits;
}

}  // namespace

Result<Encoding> ParseEncoding(std::string_view content_encoding) {
  content_encoding = Trim(content_encoding);
  if (content_encoding.empty() || Is(content_encoding, "identity")) return Encoding::kIdentity;
  if (Is(content_encoding, "gzip") || Is(content_encoding, "x-gzip")) return Encoding::kGzip;
  if (Is(content_encoding, "deflate")) return Encoding::kDeflate;
  return std::unexpected(
      Unimplemented("Content-Encoding \"{}\": expected gzip, deflate or identity", content_encoding));
}

Encoding PreferredEncoding(std::string_view accept_encoding) {
  Encoding best = Encoding::kIdentity;
  double best_quality = 0;
  while (!accept_encoding.empty()) {
    const std::string_view item = accept_encoding.substr(0, accept_encoding.find(','));
    accept_encoding.remove_prefix(std::min(accept_encoding.size(), item.size() + 1));
    const std::string_view name = Trim(item.substr(0, item.find(';')));
    double quality = 1;
    if (const size_t q = item.find("q="); q != item.npos)
      std::from_chars(item.data() + q + 2, item.data() + item.size(), quality);
    Encoding encoding = Encoding::kIdentity;
    if (Is(name, "gzip") || name == "*") encoding = Encoding::kGzip;
    if (Is(name, "deflate")) encoding = Encoding::kDeflate;
    const bool better = quality > best_quality || (quality == best_quality && encoding == Encoding::kGzip);
    if (encoding == Encoding::kIdentity || quality <= 0 || !better) continue;
    best = encoding;
    best_quality = quality;
  }
  return best;
}

std::string_view EncodingName(Encoding encoding) {
  switch (encoding) {
    case Encoding::kIdentity: return "";
    case Encoding::kGzip: return "gzip";
    case Encoding::kDeflate: return "deflate";
  }
  return "";
}

Status Inflate(Encoding encoding, std::string_view input, size_t max_bytes, std::string* out, MemoryLease* lease) {
  if (encoding == Encoding::kIdentity) {
    out->append(input);
    return OkStatus();
  }
  const std::string_view name = EncodingName(encoding);
  Stream stream;
  if (inflateInit2(&stream.z, WindowBits(encoding, input)) != Z_OK) return Internal("zlib: out of memory");
  stream.end = inflateEnd;
  stream.z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
  stream.z.avail_in = static_cast<uInt>(input.size());
  const size_t start = out->size();
  int result = Z_OK;
  while (result != Z_STREAM_END) {
    const size_t had = out->size();
    const size_t wanted = had + std::min(std::max(kStep, had - start), max_bytes - (had - start)) + 1;
    if (lease != nullptr && !lease->Cover(wanted))
      return Unavailable("too many compressed requests are under way; send this one again later, or uncompressed");
    out->resize(wanted);
    stream.z.next_out = reinterpret_cast<Bytef*>(out->data() + had);
    stream.z.avail_out = static_cast<uInt>(out->size() - had);
    result = inflate(&stream.z, Z_NO_FLUSH);
    out->resize(out->size() - stream.z.avail_out);
    if (out->size() - start > max_bytes)
      return ResourceExhausted("the {} body inflates to over {} bytes", name, max_bytes);
    if (result == Z_STREAM_END) break;
    if (result != Z_OK || out->size() == had)
      return InvalidArgument("the body is not {}: {}", name, stream.z.msg != nullptr ? stream.z.msg : "it ends early");
  }
  return OkStatus();
}

Status Deflate(Encoding encoding, std::string_view input, std::string* out) {
  if (encoding == Encoding::kIdentity) {
    out->append(input);
    return OkStatus();
  }
  Stream stream;
  const int bits = encoding == Encoding::kGzip ? kGzipBits : kZlibBits;
  if (deflateInit2(&stream.z, 1, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return Internal("zlib: out of memory");
  stream.end = deflateEnd;
  const size_t start = out->size();
  out->resize(start + deflateBound(&stream.z, input.size()));
  stream.z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
  stream.z.avail_in = static_cast<uInt>(input.size());
  stream.z.next_out = reinterpret_cast<Bytef*>(out->data() + start);
  stream.z.avail_out = static_cast<uInt>(out->size() - start);
  if (deflate(&stream.z, Z_FINISH) != Z_STREAM_END) return Internal("zlib: {}", stream.z.msg ? stream.z.msg : "failed");
  out->resize(out->size() - stream.z.avail_out);
  return OkStatus();
}

}  // namespace headrace::net
