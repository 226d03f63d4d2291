// Pages of a table's rows for list calls: filtered, sorted, continued by an opaque token. Keyset paging, so that a page
// costs the same wherever it is and rows that come or go do not shift the next one.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/database.h"

namespace headrace {

enum class ListOperation {
  kEquals,
  kNotEquals,
  kGreater,
  kGreaterEquals,
  kLess,
  kLessEquals,
  kIn,         // one of `values`
  kSubstring,  // contains the text, in any case
};

struct ListPredicate {
  ListOperation operation = ListOperation::kEquals;
  std::string field;
  std::vector<SqlValue> values;  // one, but for kIn
};

struct ListRequest {
  int64_t page_size = 0;        // 0: 20; more than 200 is 200
  std::string page_token = {};  // of the page before; carries that request's order and predicates
  std::string sort_by = {};     // a field's name; empty: the table's default
  bool descending = false;
  std::vector<ListPredicate> predicates = {};  // all must hold
};

struct ListField {
  std::string name;    // in requests
  std::string column;  // an SQL expression over the table
  bool is_text = true;
  bool nullable = false;  // NULL sorts as '' or 0
};

// What may be listed, fixed by the program (its texts go into SQL).
struct ListTable {
  std::string name;
  std::string columns;  // what each row has, as behind SELECT
  std::string key;      // a unique NOT NULL text column
  std::vector<ListField> fields;
  std::string default_sort;  // a field's name
};

struct ListedRows {
  std::vector<SqlRow> rows;
  int64_t total = 0;            // matching rows on all pages
  std::string next_page_token;  // empty: this was the last page
};

// `scope` restricts the list beyond the request and is not part of the token: the runs of one experiment.
// kInvalidArgument, naming it, for an unknown field, a wrong value, a bad token, or a sort order or predicates other
// than the token's.
Result<ListedRows> ListRows(Transaction& transaction, const ListTable& table, const ListRequest& request,
                            const std::vector<ListPredicate>& scope = {});

}  // namespace headrace
