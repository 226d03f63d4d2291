// TensorFlow Serving's words about a JSON request that it refuses (tensorflow_serving/util/json_tensor.cc). That server
// reads with RapidJSON and quotes values as RapidJSON's PrettyWriter prints them; so does this, once a request has been
// refused.
#pragma once
#include <string>
#include <string_view>

#include "headrace/base/status.h"

namespace headrace::tfserving {

// What is wrong with `text` as a whole: "JSON Parse error: Missing a comma … at offset: 7", or that it is no object. OK
// for text that begins with an object, whatever follows it.
Status CheckJsonObject(std::string_view text);

// RapidJSON skips UTF-8's byte order mark, and so must whoever reads what it accepts.
inline std::string_view WithoutByteOrderMark(std::string_view text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

// The first value of `text` as errors quote it: objects over several lines, cut after about 256 bytes.
std::string QuoteJson(std::string_view text);

// kInvalidArgument "JSON Value: " and the quoted value, then `what`.
Status JsonFormatError(std::string_view text, std::string_view what);

}  // namespace headrace::tfserving
