#include "headrace/net/access_log.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "headrace/base/files.h"
#include "headrace/base/json.h"

namespace headrace::net {
namespace {

std::vector<json::object> Lines(const std::filesystem::path& path) {
  std::vector<json::object> lines;
  std::string text = *ReadFile(path);
  for (size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
    lines.push_back(ParseJson(text.substr(0, end))->as_object());
  EXPECT_TRUE(text.empty());
  return lines;
}

AccessRecord Record(std::string_view target) {
  AccessRecord record;
  record.protocol = "http";
  record.method = "POST";
  record.target = target;
  record.status = 200;
  record.duration = std::chrono::microseconds(42);
  record.peer = "127.0.0.1:9";
  record.trace = TraceContext::Start();
  return record;
}

TEST(AccessLog, WritesALineForEachRequest) {
  TempDir folder;
  const auto path = folder.path() / "access.log";
  {
    auto log = *AccessLog::Open(path.string());
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; t++)
      threads.emplace_back([&] {
        for (int i = 0; i < 100; i++) log->Record(Record("/a\"b"));
      });
    for (auto& thread : threads) thread.join();
  }
  const auto lines = Lines(path);
  ASSERT_EQ(lines.size(), 400u);
  EXPECT_EQ(lines[0].at("target"), "/a\"b");
  EXPECT_EQ(lines[0].at("duration_us"), 42);
  EXPECT_EQ(lines[0].at("trace_id").as_string().size(), 32u);
  EXPECT_FALSE(lines[0].contains("parent_span_id"));
}

TEST(AccessLog, NamesTheClientByItsNameElseByItsCertificate) {
  TempDir folder;
  const auto path = folder.path() / "access.log";
  {
    auto log = *AccessLog::Open(path.string());
    AccessRecord record = Record("/a");
    log->Record(record);
    record.client_subject = "CN=batch";
    log->Record(record);
    record.client = "shop";
    log->Record(record);
  }
  const auto lines = Lines(path);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_FALSE(lines[0].contains("client"));
  EXPECT_EQ(lines[1].at("client"), "CN=batch");
  EXPECT_EQ(lines[2].at("client"), "shop");
}

TEST(AccessLog, FollowsARotationAndDropsBeyondItsBound) {
  TempDir folder;
  const auto path = folder.path() / "access.log";
  auto log = *AccessLog::Open(path.string(), 100);
  log->Record(Record(std::string(200, 'x')));
  EXPECT_EQ(log->dropped(), 1u);
  std::filesystem::rename(path, folder.path() / "old.log");
  log->Reopen();
  while (!std::filesystem::exists(path)) std::this_thread::yield();
}

TEST(AccessLog, SaysWhichFileCannotBeOpened) {
  const auto log = AccessLog::Open("/no/such/folder/access.log");
  ASSERT_FALSE(log);
  EXPECT_NE(log.error().message().find("/no/such/folder"), std::string::npos);
}

TEST(TraceContext, ParsesWhatTheSpecificationAllows) {
  const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto context = TraceContext::Parse(good);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->ToString(), good);
  const TraceContext child = context->Child();
  EXPECT_EQ(child.trace_id, context->trace_id);
  EXPECT_NE(child.span_id, context->span_id);
  EXPECT_TRUE(TraceContext::Parse(TraceContext::Start().ToString()));
  EXPECT_TRUE(TraceContext::Parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
  for (const std::string& bad :
       std::vector<std::string>{"", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", good.substr(1),
                                good + "-x", "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                                "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"})
    EXPECT_FALSE(TraceContext::Parse(bad)) << bad;
}

}  // namespace
}  // namespace headrace::net
