// JSON values: Boost.JSON under a short name, with Status instead of exceptions and readers whose errors name the
// field. Tensors are read with simdjson in protocols/, not with this.
#pragma once
#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/base/status.h"

namespace headrace {

namespace json = boost::json;

// kInvalidArgument with the byte offset and the reason; `max_depth` bounds nesting.
Result<json::value> ParseJson(std::string_view text, size_t max_depth = 100);
// Writers. Doubles are the shortest text that reads back to the same bits and always have a '.' or an exponent ("5.0");
// NaN and infinities, which JSON lacks, become null. Use these and not json::serialize, which writes 1.5 as "1.5E0".
// Members in their own order, no spaces.
std::string ToJson(const json::value& value);
// Object members in the order of their keys, no spaces: equal values give equal bytes.
std::string CanonicalJson(const json::value& value);
// Two-space indentation and a final newline, for files that people read.
std::string PrettyJson(const json::value& value);

// The member `key` of `object`, typed. Missing (or null): std::nullopt. Of another type: kInvalidArgument that names
// `key`, what was found and what was expected.
Result<std::optional<std::string>> OptionalString(const json::object& object, std::string_view key);
Result<std::optional<int64_t>> OptionalInt(const json::object& object, std::string_view key);
Result<std::optional<double>> OptionalDouble(const json::object& object, std::string_view key);
Result<std::optional<bool>> OptionalBool(const json::object& object, std::string_view key);
// The same, where a missing member is an error too.
Result<std::string> RequiredString(const json::object& object, std::string_view key);
Result<int64_t> RequiredInt(const json::object& object, std::string_view key);
Result<double> RequiredDouble(const json::object& object, std::string_view key);
// Pointers into `object`; an error when missing or of another kind.
Result<const json::object*> RequiredObject(const json::object& object, std::string_view key);
Result<const json::array*> RequiredArray(const json::object& object, std::string_view key);

}  // namespace headrace
