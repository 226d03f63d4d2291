// The query parameters of KFP's list calls as a ListRequest.
#pragma once
#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/core/listing.h"
#include "headrace/net/router.h"

namespace headrace::kfp {

// page_token, page_size, sort_by ("created_at desc") and filter, a JSON Filter message:
//   {"predicates": [{"operation": 1 or "EQUALS", "key": "display_name", "stringValue" or "string_value": "x"}, …]}
// Times, as "timestamp_value", become microseconds since the epoch. kInvalidArgument names the parameter.
Result<ListRequest> ListRequestOf(const net::RouteRequest& request);

// The same of the parameters' texts.
struct ListQueryText {
  int64_t page_size = 0;
  std::string page_token = {};
  std::string sort_by = {};
  std::string filter = {};
};
Result<ListRequest> ListRequestOf(const ListQueryText& text);

// RFC 3339 with any offset and fraction, in microseconds since the epoch.
Result<int64_t> ParseTimestamp(std::string_view text);

}  // namespace headrace::kfp
