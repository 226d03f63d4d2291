#include "headrace/net/trace_context.h"

#include <fmt/core.h>

#include <algorithm>
#include <random>

namespace headrace::net {
namespace {

constexpr size_t kVersion = 2, kTraceId = 32, kSpanId = 16, kFlags = 2;
constexpr size_t kLength = kVersion + 1 + kTraceId + 1 + kSpanId + 1 + kFlags;

bool IsHex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }
bool IsZero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

uint64_t NonZeroRandom() {
  thread_local std::mt19937_64 random{(uint64_t{std::random_device{}()} << 32) ^ std::random_device{}()};
  return std::max<uint64_t>(1, random());
}

}  // namespace

std::optional<TraceContext> TraceContext::Parse(std::string_view header) {
  if (header.size() < kLength || header[2] != '-' || header[35] != '-' || header[52] != '-') return std::nullopt;
  const std::string_view version = header.substr(0, kVersion);
  // A later version may add fields behind another dash; version 00 may not.
  if (header.size() > kLength && (version == "00" || header[kLength] != '-')) return std::nullopt;
  const std::string_view trace_id = header.substr(3, kTraceId), span_id = header.substr(36, kSpanId);
  const std::string_view flags = header.substr(53, kFlags);
  const bool hex = IsHex(version) && IsHex(trace_id) && IsHex(span_id) && IsHex(flags);
  if (!hex || version == "ff" || IsZero(trace_id) || IsZero(span_id)) return std::nullopt;
  return TraceContext{std::string(trace_id), std::string(span_id), std::string(flags)};
}

TraceContext TraceContext::Start() {
  return {fmt::format("{:016x}{:016x}", NonZeroRandom(), NonZeroRandom()), fmt::format("{:016x}", NonZeroRandom()),
          "01"};
}

TraceContext TraceContext::Child() const { return {trace_id, fmt::format("{:016x}", NonZeroRandom()), flags}; }

std::string TraceContext::ToString() const { return fmt::format("00-{}-{}-{}", trace_id, span_id, flags); }

}  // namespace headrace::net
