#include "headrace/backends/filesystem/local_artifact_store.h"

#include "tests/conformance/artifact_store_conformance.h"

namespace headrace {
namespace {

class LocalPlace : public ArtifactPlace {
 public:
  explicit LocalPlace(std::string prefix) : prefix_(std::move(prefix)) {}
  ArtifactStore& store() override { return *store_; }
  std::string root() override { return prefix_ + folder_.path().string(); }

 private:
  const std::string prefix_;
  TempDir folder_;
  std::unique_ptr<ArtifactStore> store_ = filesystem::MakeLocalArtifactStore();
};

INSTANTIATE_TEST_SUITE_P(
    Local, ArtifactStoreConformance,
    testing::Values(ArtifactStoreUnderTest{"Path", [] { return std::make_unique<LocalPlace>(""); }},
                    ArtifactStoreUnderTest{"Url", [] { return std::make_unique<LocalPlace>("file://"); }}),
    ArtifactStoreName);

TEST(LocalPathOfTest, PathsAndFileUrls) {
  const auto path = [](std::string_view uri) {
    const auto out = filesystem::LocalPathOf(uri);
    return out ? out->string() : out.error().message();
  };
  EXPECT_EQ(path("/a/b/"), "/a/b");
  EXPECT_EQ(path("/a//b/./c"), "/a/b/c");
  EXPECT_EQ(path("file:///a%20b"), "/a b");
  EXPECT_EQ(path("/a%20b"), "/a%20b");
  EXPECT_EQ(path("file://localhost/a"), "/a");
  EXPECT_THAT(path("file://elsewhere/a"), testing::HasSubstr("expected an absolute path"));
  EXPECT_THAT(path("file:///a%2"), testing::HasSubstr("no percent-escape"));
  EXPECT_THAT(path("/a/../b"), testing::HasSubstr("\"..\" is not allowed"));
  EXPECT_THAT(path("file:///a/%2e%2e/b"), testing::HasSubstr("\"..\" is not allowed"));
  EXPECT_THAT(path("a/b"), testing::HasSubstr("expected an absolute path"));
  EXPECT_THAT(path("s3://bucket/a"), testing::HasSubstr("expected a path or file://"));
}

TEST(LocalArtifactStoreTest, WhatACrashLeftAsideIsNotSeenAndIsReplaced) {
  const TempDir folder;
  const auto store = filesystem::MakeLocalArtifactStore();
  const auto source = folder.path() / "source";
  const auto place = folder.path() / "place";
  ASSERT_TRUE(WriteFileAtomically(source, "whole").ok());
  ASSERT_TRUE(WriteFileAtomically(place / (".headrace-put-" + Sha256("x").substr(0, 16)), "half").ok());
  EXPECT_TRUE(store->List(place.string())->empty());
  ASSERT_TRUE(store->Put(source, (place / "x").string()).ok());
  EXPECT_EQ(*store->Read((place / "x").string()), "whole");
  EXPECT_EQ(store->List(place.string())->size(), 1U);
}

}  // namespace
}  // namespace headrace
