// ParseJson. Boost.JSON 1.81's own parser misses the nearest double by a bit here and there ("29.970000000000002"
// becomes 29.97), so numbers with a fraction or an exponent are read again with std::from_chars, which is exact.
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <string>
#include <system_error>

#include "headrace/base/json.h"

namespace headrace {
namespace {

// What json::basic_parser calls; builds the value on a json::value_stack.
class Builder {
 public:
  static constexpr size_t max_object_size = json::object::max_size();
  static constexpr size_t max_array_size = json::array::max_size();
  static constexpr size_t max_key_size = json::string::max_size();
  static constexpr size_t max_string_size = json::string::max_size();

  Builder() { stack_.reset(); }
  json::value Release() { return stack_.release(); }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return true; }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_object_end(size_t count, json::error_code&) {
    return Did([&] { stack_.push_object(count); });
  }
  bool on_array_end(size_t count, json::error_code&) {
    return Did([&] { stack_.push_array(count); });
  }
  bool on_key_part(json::string_view text, size_t, json::error_code&) {
    return Did([&] { stack_.push_chars(text); });
  }
  bool on_key(json::string_view text, size_t, json::error_code&) {
    return Did([&] { stack_.push_key(text); });
  }
  bool on_string_part(json::string_view text, size_t, json::error_code&) {
    return Did([&] { stack_.push_chars(text); });
  }
  bool on_string(json::string_view text, size_t, json::error_code&) {
    return Did([&] { stack_.push_string(text); });
  }
  bool on_number_part(json::string_view text, json::error_code&) {
    return Did([&] { number_.append(text); });
  }
  bool on_int64(int64_t number, json::string_view, json::error_code&) {
    return Did([&] { stack_.push_int64(number); }, true);
  }
  bool on_uint64(uint64_t number, json::string_view, json::error_code&) {
    return Did([&] { stack_.push_uint64(number); }, true);
  }
  bool on_double(double nearly, json::string_view text, json::error_code&) {
    number_.append(text);
    double exact = nearly;  // stays for what from_chars refuses: magnitudes beyond a double's
    std::from_chars(number_.data(), number_.data() + number_.size(), exact);
    return Did([&] { stack_.push_double(exact); }, true);
  }
  bool on_bool(bool value, json::error_code&) {
    return Did([&] { stack_.push_bool(value); });
  }
  bool on_null(json::error_code&) {
    return Did([&] { stack_.push_null(); });
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  template <class Push>
  bool Did(Push push, bool number_ends = false) {
    push();
    if (number_ends) number_.clear();
    return true;
  }

  json::value_stack stack_;
  std::string number_;  // of the number being read, so far
};

}  // namespace

Result<json::value> ParseJson(std::string_view text, size_t max_depth) {
  json::parse_options options;
  options.max_depth = max_depth;
  json::basic_parser<Builder> parser(options);
  json::error_code error;
  const size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read < text.size()) error = json::error::extra_data;
  if (error) return std::unexpected(InvalidArgument("JSON: {} at byte {}", error.message(), read));
  return parser.handler().Release();
}

}  // namespace headrace
