// core/listing.h on a real database.
#include "headrace/core/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "headrace/backends/sqlite/sqlite_database.h"
#include "headrace/base/files.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const ListTable& Table() {
  static const ListTable table = {.name = "things",
                                  .columns = "id, name, made",
                                  .key = "id",
                                  .fields = {{.name = "id", .column = "id"},
                                             {.name = "name", .column = "name", .nullable = true},
                                             {.name = "made", .column = "made", .is_text = false, .nullable = true}},
                                  .default_sort = "made"};
  return table;
}

struct Thing {
  std::string id;
  std::string name;
  int64_t made;
};

class Things {
 public:
  Things() : database_(sqlite::OpenSqliteDatabase(folder_.path() / "h.db").value()) {
    EXPECT_TRUE(
        Migrate(*database_, "things", {{"CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, made BIGINT)"}}).ok());
  }
  void Insert(const std::vector<Thing>& things) {
    const Status status = database_->Transact([&](Transaction& transaction) -> Status {
      for (const auto& thing : things)
        HR_RETURN_IF_ERROR(transaction.Execute("INSERT INTO things (id, name, made) VALUES (?, ?, ?)",
                                               {thing.id, thing.name.empty() ? SqlValue() : SqlValue(thing.name),
                                                thing.made == 0 ? SqlValue() : SqlValue(thing.made)}));
      return OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  Result<ListedRows> List(const ListRequest& request, const std::vector<ListPredicate>& scope = {}) {
    ListedRows listed;
    HR_UNEXPECTED_IF_ERROR(database_->Read([&](Transaction& transaction) -> Status {
      HR_ASSIGN_OR_RETURN(listed, ListRows(transaction, Table(), request, scope));
      return OkStatus();
    }));
    return listed;
  }
  // The ids on all pages, each page asked for with the token alone.
  std::vector<std::string> AllIds(ListRequest request) {
    std::vector<std::string> ids;
    for (;;) {
      const auto page = List(request).value();
      for (const auto& row : page.rows) ids.push_back(row.text(0));
      if (page.next_page_token.empty()) return ids;
      request = {.page_size = request.page_size, .page_token = page.next_page_token};
    }
  }

 private:
  TempDir folder_{std::filesystem::exists("/dev/shm") ? "/dev/shm" : ""};
  std::unique_ptr<Database> database_;
};

std::vector<std::string> Ids(const ListedRows& listed) {
  std::vector<std::string> ids;
  for (const auto& row : listed.rows) ids.push_back(row.text(0));
  return ids;
}

TEST(ListRows, FiltersSortsAndCounts) {
  Things things;
  things.Insert({{"a", "Delay", 3}, {"b", "100% late", 1}, {"c", "delays", 2}, {"d", "", 0}});
  EXPECT_THAT(Ids(*things.List({})), ElementsAre("d", "b", "c", "a"));
  EXPECT_THAT(Ids(*things.List({.sort_by = "name", .descending = true})), ElementsAre("c", "a", "b", "d"));
  const auto one = [](ListOperation operation, const std::string& field, SqlValue value) {
    return ListRequest{.predicates = {{operation, field, {std::move(value)}}}};
  };
  using enum ListOperation;
  EXPECT_THAT(Ids(*things.List(one(kEquals, "name", "Delay"))), ElementsAre("a"));
  EXPECT_THAT(Ids(*things.List(one(kSubstring, "name", "DELAY"))), ElementsAre("c", "a"));
  EXPECT_THAT(Ids(*things.List(one(kSubstring, "name", "0%"))), ElementsAre("b"));
  EXPECT_THAT(Ids(*things.List(one(kGreaterEquals, "made", int64_t{2}))), ElementsAre("c", "a"));
  EXPECT_THAT(Ids(*things.List(one(kNotEquals, "id", "a"))), ElementsAre("d", "b", "c"));
  EXPECT_THAT(Ids(*things.List({.predicates = {{kIn, "id", {"a", "b", "x"}}}})), ElementsAre("b", "a"));
  const auto page = *things.List({.page_size = 2}, {{kGreater, "made", {int64_t{0}}}});
  EXPECT_EQ(page.total, 3);
  EXPECT_EQ(page.rows.size(), 2u);
}

TEST(ListRows, SaysWhatIsWrong) {
  Things things;
  things.Insert({{"a", "x", 1}, {"b", "y", 2}});
  const auto message = [&](const ListRequest& request) {
    const auto listed = things.List(request);
    return listed ? "OK" : listed.error().ToString();
  };
  EXPECT_THAT(message({.sort_by = "color"}), HasSubstr("no field \"color\"; there are id, name, made"));
  EXPECT_THAT(message({.page_size = -1}), HasSubstr("page_size"));
  EXPECT_THAT(message({.page_token = "zz"}), HasSubstr("page_token \"zz\""));
  EXPECT_THAT(message({.page_token = "7b7d"}), HasSubstr("page_token"));
  EXPECT_THAT(message({.predicates = {{ListOperation::kEquals, "made", {"two"}}}}), HasSubstr("expected a number"));
  EXPECT_THAT(message({.predicates = {{ListOperation::kEquals, "id", {}}}}), HasSubstr("expected one value"));
  const auto token = things.List({.page_size = 1})->next_page_token;
  EXPECT_EQ(message({.page_token = token, .sort_by = "made"}), "OK");
  EXPECT_THAT(message({.page_token = token, .sort_by = "name"}), HasSubstr("another sort order"));
  EXPECT_THAT(message({.page_token = token, .predicates = {{ListOperation::kEquals, "id", {"a"}}}}),
              HasSubstr("another filter"));
}

RC_GTEST_PROP(ListRowsProperty, PagesTogetherAreTheWholeListInOrder, ()) {
  std::vector<Thing> all;
  for (int i = *rc::gen::inRange(0, 30); i > 0; i--)
    all.push_back({NewUuid(), *rc::gen::elementOf(std::vector<std::string>{"", "a", "b", "B", "c'd"}),
                   *rc::gen::inRange<int64_t>(0, 4)});
  Things things;
  things.Insert(all);
  const bool by_name = *rc::gen::arbitrary<bool>(), descending = *rc::gen::arbitrary<bool>();
  std::ranges::sort(all, [&](const Thing& a, const Thing& b) {
    return by_name ? std::tie(a.name, a.id) < std::tie(b.name, b.id) : std::tie(a.made, a.id) < std::tie(b.made, b.id);
  });
  if (descending) std::ranges::reverse(all);
  std::vector<std::string> expected;
  for (const auto& thing : all)
    if (thing.name != "b") expected.push_back(thing.id);
  RC_ASSERT(things.AllIds({.page_size = *rc::gen::inRange(1, 10),
                           .sort_by = by_name ? "name" : "made",
                           .descending = descending,
                           .predicates = {{ListOperation::kNotEquals, "name", {"b"}}}}) == expected);
}

}  // namespace
}  // namespace headrace
