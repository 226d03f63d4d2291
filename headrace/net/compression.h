// gzip and deflate as HTTP means them (RFC 9110: "deflate" is zlib's format; raw deflate is taken too).
#pragma once
#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/net/memory_budget.h"

namespace headrace::net {

enum class Encoding { kIdentity, kGzip, kDeflate };

// Content-Encoding's value; kUnimplemented for one that is not among the three.
Result<Encoding> ParseEncoding(std::string_view content_encoding);
// The one of the three that Accept-Encoding prefers (quality values honoured; gzip before deflate among equals).
Encoding PreferredEncoding(std::string_view accept_encoding);
std::string_view EncodingName(Encoding encoding);  // "gzip"; "" for identity

// Appends the inflated bytes to `out`. kInvalidArgument for broken input, kResourceExhausted when there would be more
// than `max_bytes`, kUnavailable when `lease` (null: none) cannot cover what `out` grows to; `out` is then unspecified.
Status Inflate(Encoding encoding, std::string_view input, size_t max_bytes, std::string* out,
               MemoryLease* lease = nullptr);
// Appends `input` compressed (level 1, for speed).
Status Deflate(Encoding encoding, std::string_view input, std::string* out);

}  // namespace headrace::net
