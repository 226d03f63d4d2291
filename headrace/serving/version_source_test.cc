#include "headrace/serving/version_source.h"

#include <gtest/gtest.h>

#include "headrace/base/files.h"

namespace headrace::serving {
namespace {

namespace fs = std::filesystem;

std::vector<int64_t> Numbers(const std::vector<FoundVersion>& versions) {
  std::vector<int64_t> numbers;
  for (const auto& version : versions) numbers.push_back(version.version);
  return numbers;
}

TEST(VersionSource, ReadsNumbersWithLeadingZeros) {
  EXPECT_EQ(ParseVersion("00000123"), 123);
  EXPECT_EQ(ParseVersion("9223372036854775807"), INT64_MAX);
  for (const char* bad : {"", "-1", "+1", "1a", "a1", "1.0", " 1", "9223372036854775808", ".1"})
    EXPECT_EQ(ParseVersion(bad), std::nullopt) << bad;
}

TEST(VersionSource, FindsNumberedFoldersDescending) {
  const TempDir base;
  for (const char* name : {"00000123", "7", "123", ".8", "9.tmp", "current"})
    fs::create_directories(base.path() / name);
  ASSERT_TRUE(WriteFileAtomically(base.path() / "55", "a file, not a folder").ok());
  const auto found = FindVersions(base.path(), nullptr);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(Numbers(*found), (std::vector<int64_t>{123, 7}));
  EXPECT_EQ((*found)[0].location, base.path() / "00000123");
  EXPECT_EQ(FindVersions(base.path() / "absent", nullptr).error().code(), Code::kNotFound);
}

TEST(VersionSource, PoliciesSelect) {
  const std::vector<FoundVersion> found = {{5, "5"}, {4, "4"}, {2, "2"}};
  VersionPolicy policy;
  EXPECT_EQ(Numbers(SelectVersions(policy, found)), (std::vector<int64_t>{5}));
  policy.latest = 9;
  EXPECT_EQ(SelectVersions(policy, found).size(), 3u);
  policy.kind = VersionPolicy::Kind::kSpecific;
  policy.versions = {2, 3};
  EXPECT_EQ(Numbers(SelectVersions(policy, found)), (std::vector<int64_t>{2}));
  policy.kind = VersionPolicy::Kind::kAll;
  EXPECT_EQ(SelectVersions(policy, found).size(), 3u);
}

TEST(VersionSource, AModelIsAFolderWithAVersion) {
  const TempDir root;
  fs::create_directories(root.path() / "flights" / "1");
  fs::create_directories(root.path() / "empty");
  fs::create_directories(root.path() / ".hidden" / "1");
  const auto models = FindModels(root.path());
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0].first, "flights");
}

TEST(VersionSource, FingerprintsFollowTheContent) {
  const TempDir dir;
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "a", "1").ok());
  const std::string before = Fingerprint(dir.path(), nullptr);
  EXPECT_EQ(Fingerprint(dir.path(), nullptr), before);
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "a", "22").ok());
  EXPECT_NE(Fingerprint(dir.path(), nullptr), before);
}

}  // namespace
}  // namespace headrace::serving
