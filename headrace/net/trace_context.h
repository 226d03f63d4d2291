// W3C Trace Context (https://www.w3.org/TR/trace-context/): which trace a request belongs to.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace headrace::net {

struct TraceContext {
  std::string trace_id;  // 32 lower-case hexadecimal digits
  std::string span_id;   // 16: of whoever sends this
  std::string flags;     // 2: "01" is sampled

  // The header "traceparent"; nullopt for one that is not valid, which the specification says to ignore.
  static std::optional<TraceContext> Parse(std::string_view traceparent);
  // A new trace, sampled.
  static TraceContext Start();
  // The same trace with a span of its own: what a server answers with and passes on.
  TraceContext Child() const;
  // "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
  std::string ToString() const;
};

}  // namespace headrace::net
