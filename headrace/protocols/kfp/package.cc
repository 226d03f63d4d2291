// Zip: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (4.3.7, 4.3.12, 4.3.16). Tar: POSIX ustar.
#include "headrace/protocols/kfp/package.h"

#include <zlib.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace headrace::kfp {
namespace {

constexpr std::string_view kWanted = "pipeline.yaml";
constexpr int kRawDeflate = -MAX_WBITS;
constexpr int kGzip = MAX_WBITS + 16;

Result<std::string> Inflate(std::string_view packed, int window_bits) {
  z_stream stream = {};
  if (inflateInit2(&stream, window_bits) != Z_OK) return std::unexpected(Internal("zlib cannot be initialised"));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  int result = Z_OK;
  while (result == Z_OK && text.size() <= kLargestPackage) {
    const size_t have = text.size();
    text.resize(have + (64 << 10));
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + have);
    stream.avail_out = static_cast<uInt>(text.size() - have);
    result = inflate(&stream, Z_NO_FLUSH);
    text.resize(text.size() - stream.avail_out);
    if (stream.avail_in == 0 && stream.avail_out > 0 && result == Z_OK) break;
  }
  inflateEnd(&stream);
  if (text.size() > kLargestPackage)
    return std::unexpected(InvalidArgument("the file is larger than {} bytes when unpacked", kLargestPackage));
  if (result != Z_STREAM_END) return std::unexpected(InvalidArgument("its compressed data is broken"));
  return text;
}

struct Entry {
  std::string_view name;
  std::string_view packed;
  bool deflated = false;
};

Result<std::string> Pick(const std::vector<Entry>& entries) {
  if (entries.empty()) return std::unexpected(InvalidArgument("the archive has no file"));
  auto picked = std::ranges::find(entries, kWanted, &Entry::name);
  if (picked == entries.end()) picked = entries.begin();
  if (!picked->name.ends_with(".yaml") && !picked->name.ends_with(".yml"))
    return std::unexpected(
        InvalidArgument("expected pipeline.yaml or one YAML file in the archive, found {}", picked->name));
  return picked->deflated ? Inflate(picked->packed, kRawDeflate) : std::string(picked->packed);
}

// A little-endian number of `size` bytes; nullopt beyond the end.
std::optional<uint32_t> Number(std::string_view bytes, size_t at, size_t size) {
  if (at + size > bytes.size()) return std::nullopt;
  uint32_t number = 0;
  for (size_t i = 0; i < size; i++) number |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << 8 * i;
  return number;
}

// The entry whose central directory header begins at `at`; moves `at` behind it.
std::optional<Entry> ZipEntry(std::string_view zip, size_t* at) {
  const auto method = Number(zip, *at + 10, 2), size = Number(zip, *at + 20, 4), name_size = Number(zip, *at + 28, 2);
  const auto extra_size = Number(zip, *at + 30, 2), comment_size = Number(zip, *at + 32, 2);
  const auto header = Number(zip, *at + 42, 4);
  if (!zip.substr(std::min(*at, zip.size())).starts_with("PK\x01\x02") || !header || *at + 46 + *name_size > zip.size())
    return std::nullopt;
  Entry entry{zip.substr(*at + 46, *name_size), {}, *method == 8};
  *at += 46 + *name_size + *extra_size + *comment_size;
  const auto local_name = Number(zip, *header + size_t{26}, 2), local_extra = Number(zip, *header + size_t{28}, 2);
  if (!local_name || !local_extra || (*method != 0 && *method != 8)) return std::nullopt;
  const size_t data = *header + size_t{30} + *local_name + *local_extra;
  if (data > zip.size() || *size > zip.size() - data) return std::nullopt;
  entry.packed = zip.substr(data, *size);
  return entry;
}

Result<std::string> FromZip(std::string_view zip) {
  const auto broken = [] { return std::unexpected(InvalidArgument("the zip archive is broken")); };
  const size_t end = zip.rfind("PK\x05\x06");
  if (end == zip.npos) return broken();
  const auto count = Number(zip, end + 10, 2), start = Number(zip, end + 16, 4);
  if (!count || !start) return broken();
  std::vector<Entry> entries;
  size_t at = *start;
  for (uint32_t i = 0; i < *count; i++) {
    const auto entry = ZipEntry(zip, &at);
    if (!entry) return broken();
    if (!entry->name.ends_with('/')) entries.push_back(*entry);
  }
  return Pick(entries);
}

Result<std::string> FromTar(std::string_view tar) {
  constexpr size_t kBlock = 512;
  std::vector<Entry> entries;
  while (tar.size() >= kBlock && tar[0] != '\0') {
    const std::string_view header = tar.substr(0, kBlock);
    uint64_t size = 0;
    for (const char digit : header.substr(124, 12))
      if (digit >= '0' && digit <= '7') size = size * 8 + static_cast<uint64_t>(digit - '0');
    tar.remove_prefix(kBlock);
    if (size > tar.size()) return std::unexpected(InvalidArgument("the tar archive is cut off"));
    std::string_view name = header.substr(0, 100);
    name = name.substr(0, name.find('\0'));
    if (name.starts_with("./")) name.remove_prefix(2);
    const char type = header[156];
    if (type == '0' || type == '\0') entries.push_back({name, tar.substr(0, size)});
    tar.remove_prefix(std::min<size_t>(tar.size(), (size + kBlock - 1) / kBlock * kBlock));
  }
  return Pick(entries);
}

}  // namespace

Result<std::string> ExtractPipeline(std::string_view bytes) {
  if (bytes.size() > kLargestPackage)
    return std::unexpected(
        InvalidArgument("the file has {} bytes, at most {} are taken", bytes.size(), kLargestPackage));
  if (bytes.starts_with("PK")) return FromZip(bytes);
  if (!bytes.starts_with("\x1f\x8b")) return std::string(bytes);
  HR_ASSIGN_OR_UNEXPECTED(const std::string tar, Inflate(bytes, kGzip));
  return FromTar(tar);
}

}  // namespace headrace::kfp
