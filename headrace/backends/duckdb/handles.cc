#include "headrace/backends/duckdb/handles.h"

#include <string>
#include <string_view>

#include "headrace/base/json.h"

namespace headrace::duckdb {

Status StatusOf(const Library& library, duckdb_error_data error) {
  ErrorData owned(library, error);
  if (error == nullptr || !library.error_data_has_error(error)) return OkStatus();
  return Refused(library.error_data_message(error));
}

Status Refused(const char* message) {
  std::string text = message == nullptr ? "unknown error" : message;
  if (const auto parsed = ParseJson(text); parsed && parsed->is_object()) {
    const auto type = OptionalString(parsed->as_object(), "exception_type");
    const auto reason = OptionalString(parsed->as_object(), "exception_message");
    if (type && *type && reason && *reason) text = **type + " Error: " + **reason;
  }
  if (text.starts_with("Out of Memory")) return ResourceExhausted("{}", text);
  if (text.starts_with("INTERNAL")) return Internal("{}", text);
  return InvalidArgument("{}", text);
}

}  // namespace headrace::duckdb
