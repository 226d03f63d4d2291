// multipart/form-data (RFC 7578), as browsers and the SDK upload files.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"

namespace headrace::kfp {

struct FormPart {
  std::string name;
  std::string file_name;     // empty: not a file
  std::string_view content;  // into the body
};

// The parts of `body`, whose request had this Content-Type. kInvalidArgument when it is not such a form.
Result<std::vector<FormPart>> ParseForm(std::string_view content_type, std::string_view body);

}  // namespace headrace::kfp
