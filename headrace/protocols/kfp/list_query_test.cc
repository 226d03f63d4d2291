#include "headrace/protocols/kfp/list_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace::kfp {
namespace {

using testing::HasSubstr;

TEST(ParseTimestamp, ReadsRfc3339) {
  EXPECT_EQ(ParseTimestamp("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(ParseTimestamp("2013-01-31T12:00:00.25Z"), 1'359'633'600'250'000);
  EXPECT_EQ(ParseTimestamp("2013-01-31t14:30:00+02:30"), 1'359'633'600'000'000);
  EXPECT_EQ(ParseTimestamp("1969-12-31T23:59:59.999999Z"), -1);
  EXPECT_EQ(ParseTimestamp("2024-02-29T00:00:00.123456789-00:00"), 1'709'164'800'123'456);
}

TEST(ParseTimestamp, RefusesTheRest) {
  for (const char* text :
       {"", "2013", "2013-01-31", "2013-13-01T00:00:00Z", "2013-02-29T00:00:00Z", "2013-01-31T24:00:00Z",
        "2013-01-31T12:00:00", "2013-01-31T12:00:00Zx", "2013-01-31T12:00:00+5", "yesterday"})
    EXPECT_THAT(ParseTimestamp(text).error().message(), HasSubstr("RFC 3339")) << text;
}

class ListRequestTest : public testing::Test {
 protected:
  static Result<ListRequest> Parse(const std::string& sort_by, const std::string& filter) {
    return ListRequestOf(ListQueryText{.sort_by = sort_by, .filter = filter});
  }
};

TEST_F(ListRequestTest, ReadsSortOrders) {
  EXPECT_EQ(Parse("", "")->sort_by, "");
  EXPECT_EQ(Parse("Created_At DESC", "")->sort_by, "created_at");
  EXPECT_TRUE(Parse("created_at desc", "")->descending);
  EXPECT_FALSE(Parse("created_at  asc", "")->descending);
  EXPECT_THAT(Parse("created_at down", "").error().message(), HasSubstr("sort_by \"created_at down\""));
}

TEST_F(ListRequestTest, ReadsFilters) {
  const auto list = Parse("", R"({"predicates": [
      {"operation": 1, "key": "display_name", "stringValue": "x"},
      {"operation": "IN", "key": "state", "string_values": {"values": ["FAILED", "RUNNING"]}},
      {"operation": "GREATER_THAN", "key": "created_at", "timestamp_value": "1970-01-01T00:00:01Z"},
      {"operation": 5, "key": "n", "longValue": "-7"}]})");
  ASSERT_TRUE(list) << list.error().ToString();
  ASSERT_EQ(list->predicates.size(), 4u);
  EXPECT_EQ(list->predicates[0].operation, ListOperation::kEquals);
  EXPECT_EQ(list->predicates[0].field, "display_name");
  EXPECT_EQ(list->predicates[0].values, std::vector<SqlValue>{"x"});
  EXPECT_EQ(list->predicates[1].operation, ListOperation::kIn);
  EXPECT_EQ(list->predicates[1].values, (std::vector<SqlValue>{"FAILED", "RUNNING"}));
  EXPECT_EQ(list->predicates[2].values, std::vector<SqlValue>{int64_t{1'000'000}});
  EXPECT_EQ(list->predicates[3].operation, ListOperation::kLess);
  EXPECT_EQ(list->predicates[3].values, std::vector<SqlValue>{int64_t{-7}});
}

TEST_F(ListRequestTest, SaysWhatIsWrongInAFilter) {
  const auto message = [](const std::string& filter) { return Parse("", filter).error().message(); };
  EXPECT_THAT(message("[]"), HasSubstr("expected a JSON object"));
  EXPECT_THAT(message(R"({"predicates": 3})"), HasSubstr("expected a list"));
  EXPECT_THAT(message(R"({"predicates": [{"operation": 0}]})"), HasSubstr("operation 0"));
  EXPECT_THAT(message(R"({"predicates": [{"operation": -1}]})"), HasSubstr("operation -1"));
  EXPECT_THAT(message(R"({"predicates": [{"operation": 1, "stringValue": "x"}]})"), HasSubstr("key"));
  EXPECT_THAT(message(R"({"predicates": [{"operation": 1, "key": "k"}]})"), HasSubstr("has no value"));
  EXPECT_THAT(message(R"({"predicates": [{"operation": 1, "key": "k", "int_value": "x"}]})"), HasSubstr("integer"));
}

}  // namespace
}  // namespace headrace::kfp
