// What every ArtifactStore does. A backend's test includes this once and instantiates the suite:
//   INSTANTIATE_TEST_SUITE_P(Local, ArtifactStoreConformance, testing::Values(ArtifactStoreUnderTest{…}),
//   ArtifactStoreName);
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "headrace/base/files.h"
#include "headrace/core/artifact_store.h"

namespace headrace {

// An empty place; removed when destroyed.
class ArtifactPlace {
 public:
  virtual ~ArtifactPlace() = default;
  virtual ArtifactStore& store() = 0;
  virtual std::string root() = 0;  // the URI under which the tests write, without a final slash
};

struct ArtifactStoreUnderTest {
  std::string name;
  std::function<std::unique_ptr<ArtifactPlace>()> make_place;
};

inline std::string ArtifactStoreName(const testing::TestParamInfo<ArtifactStoreUnderTest>& info) {
  return info.param.name;
}
inline void PrintTo(const ArtifactStoreUnderTest& under_test, std::ostream* out) { *out << under_test.name; }

class ArtifactStoreConformance : public testing::TestWithParam<ArtifactStoreUnderTest> {
 protected:
  std::string Uri(const std::string& path) { return place_->root() + "/" + path; }
  ArtifactStore& store() { return place_->store(); }

  std::filesystem::path File(const std::string& name, const std::string& content) {
    const auto path = folder_.path() / name;
    EXPECT_TRUE(WriteFileAtomically(path, content).ok());
    return path;
  }

  std::vector<std::string> Names(const std::string& path) {
    const auto entries = store().List(Uri(path));
    EXPECT_TRUE(entries) << entries.error().ToString();
    std::vector<std::string> out;
    for (const auto& entry : entries.value_or(std::vector<ArtifactEntry>()))
      out.push_back(entry.uri.substr(entry.uri.rfind('/') + 1) + (entry.is_directory ? "/" : ""));
    return out;
  }

  TempDir folder_;
  std::unique_ptr<ArtifactPlace> place_ = GetParam().make_place();
};

TEST_P(ArtifactStoreConformance, WhatIsPutIsRead) {
  const std::string bytes("\0\xff text\n", 8);
  ASSERT_TRUE(store().Put(File("a", bytes), Uri("deep/er/a")).ok());
  EXPECT_EQ(*store().Read(Uri("deep/er/a")), bytes);
  const auto local = store().Localize(Uri("deep/er/a"));
  ASSERT_TRUE(local) << local.error().ToString();
  EXPECT_EQ(*ReadFile(*local), bytes);
}

TEST_P(ArtifactStoreConformance, TreesKeepTheirShape) {
  File("tree/one", "1");
  File("tree/sub/two", "22");
  File("tree/sub/empty", "");
  ASSERT_TRUE(store().Put(folder_.path() / "tree", Uri("t")).ok());
  EXPECT_THAT(Names("t"), testing::ElementsAre("one", "sub/"));
  EXPECT_THAT(Names("t/sub"), testing::ElementsAre("empty", "two"));
  EXPECT_EQ(store().List(Uri("t/sub"))->at(1).bytes, 2);
  const auto local = store().Localize(Uri("t"));
  ASSERT_TRUE(local) << local.error().ToString();
  EXPECT_EQ(*Sha256OfTree(*local), *Sha256OfTree(folder_.path() / "tree"));
}

TEST_P(ArtifactStoreConformance, PutNeverReplaces) {
  ASSERT_TRUE(store().Put(File("first", "1"), Uri("x")).ok());
  EXPECT_EQ(store().Put(File("second", "2"), Uri("x")).code(), Code::kAlreadyExists);
  EXPECT_EQ(*store().Read(Uri("x")), "1");
  EXPECT_EQ(store().Put(folder_.path() / "nowhere", Uri("y")).code(), Code::kNotFound);
  EXPECT_THAT(Names(""), testing::ElementsAre("x"));
}

TEST_P(ArtifactStoreConformance, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(store().Read(Uri("no")).error().code(), Code::kNotFound);
  EXPECT_EQ(store().Localize(Uri("no")).error().code(), Code::kNotFound);
  EXPECT_EQ(store().List(Uri("no")).error().code(), Code::kNotFound);
  EXPECT_EQ(store().Remove(Uri("no")).code(), Code::kNotFound);
}

TEST_P(ArtifactStoreConformance, RemoveTakesTreesAway) {
  File("tree/sub/two", "22");
  ASSERT_TRUE(store().Put(folder_.path() / "tree", Uri("t")).ok());
  ASSERT_TRUE(store().Remove(Uri("t")).ok());
  EXPECT_EQ(store().List(Uri("t")).error().code(), Code::kNotFound);
  EXPECT_TRUE(store().Put(folder_.path() / "tree", Uri("t")).ok());
}

TEST_P(ArtifactStoreConformance, OtherSchemesAreNotServed) {
  EXPECT_TRUE(store().Serves(Uri("x")));
  EXPECT_FALSE(store().Serves("gopher://host/x"));
  EXPECT_EQ(store().Read("gopher://host/x").error().code(), Code::kInvalidArgument);
}

TEST_P(ArtifactStoreConformance, OneOfManyPutsWinsWhole) {
  constexpr int kThreads = 8;
  for (int i = 0; i < kThreads; i++)
    for (int file = 0; file < 5; file++)
      File(fmt::format("from{}/{}", i, file), std::string(1000, static_cast<char>('a' + i)));
  std::atomic<int> won = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++)
    threads.emplace_back([&, i] { won += store().Put(folder_.path() / fmt::format("from{}", i), Uri("won")).ok(); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
  ASSERT_EQ(Names("won").size(), 5U);
  const std::string first = *store().Read(Uri("won/0"));
  for (int file = 1; file < 5; file++) EXPECT_EQ(*store().Read(Uri(fmt::format("won/{}", file))), first);
}

}  // namespace headrace
