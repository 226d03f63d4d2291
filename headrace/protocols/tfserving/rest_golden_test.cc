// Every exchange in tests/golden/tfserving/*.http against the real server. A file is a list of
//   === what it shows
//   METHOD TARGET [Header: value …]
//   the request's body, perhaps of several lines
//   --- STATUS
//   the answer's body: equal as text, or as JSON when both are
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "headrace/base/json.h"
#include "headrace/base/log.h"
#include "headrace/net/http_client.h"
#include "headrace/protocols/tfserving/tfserving_test_util.h"
#include "tests/source_dir.h"

namespace headrace::tfserving {
namespace {

struct Exchange {
  std::string title, method, target, body, answer;
  std::vector<std::pair<std::string, std::string>> headers;
  int status = 0;
};

std::string Trimmed(const std::string& text) {
  const size_t end = text.find_last_not_of(" \n");
  return end == text.npos ? "" : text.substr(0, end + 1);
}

Exchange Begin(const std::string& title, std::istream& in) {
  Exchange exchange{.title = title, .method = {}, .target = {}, .body = {}, .answer = {}, .headers = {}};
  std::string line, name, value;
  std::getline(in, line);
  std::istringstream words(line);
  words >> exchange.method >> exchange.target;
  while (words >> name >> value) exchange.headers.emplace_back(name.substr(0, name.size() - 1), value);
  return exchange;
}

std::vector<Exchange> ReadExchanges(const std::filesystem::path& file) {
  std::istringstream in(ReadFile(file).value());
  std::vector<Exchange> exchanges;
  bool answer = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("=== ")) {
      exchanges.push_back(Begin(line.substr(4), in));
      answer = false;
    } else if (line.starts_with("--- ")) {
      exchanges.back().status = std::stoi(line.substr(4));
      answer = true;
    } else if (!exchanges.empty()) {
      (answer ? exchanges.back().answer : exchanges.back().body) += line + "\n";
    }
  }
  return exchanges;
}

bool Same(const std::string& expected, const std::string& found) {
  if (Trimmed(expected) == Trimmed(found)) return true;
  const auto a = ParseJson(expected);
  const auto b = ParseJson(found);
  return a && b && *a == *b;
}

TEST(RestGolden, AnswersAsWritten) {
  spdlog::set_level(spdlog::level::critical);
  ModelServerFixture server;
  net::HttpClient client;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SourceDir() / "tests/golden/tfserving")) {
    for (const Exchange& exchange : ReadExchanges(entry.path())) {
      SCOPED_TRACE(entry.path().filename().string() + ": " + exchange.title);
      const auto response = client.Fetch({.method = exchange.method,
                                          .url = fmt::format("http://127.0.0.1:{}{}", server.port(), exchange.target),
                                          .headers = exchange.headers,
                                          .body = Trimmed(exchange.body)});
      ASSERT_TRUE(response) << response.error().ToString();
      EXPECT_EQ(response->status, exchange.status);
      EXPECT_TRUE(Same(exchange.answer, response->body))
          << "expected: " << exchange.answer << "found: " << response->body;
      count++;
    }
  }
  EXPECT_GT(count, 50);
}

}  // namespace
}  // namespace headrace::tfserving
