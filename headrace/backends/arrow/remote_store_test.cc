#include "headrace/backends/arrow/remote_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "headrace/base/files.h"
#include "tests/conformance/artifact_store_conformance.h"

namespace headrace::arrow {
namespace {

bool HasModule() {
  return std::filesystem::exists(std::filesystem::read_symlink("/proc/self/exe").parent_path() / "lib" /
                                 "libheadrace_arrow.so");
}

// Arrow's own file system for local files stands for the remote ones.
class LocalPlace : public ArtifactPlace {
 public:
  ArtifactStore& store() override { return *store_; }
  std::string root() override { return "file://" + (folder_.path() / "remote").string(); }

 private:
  TempDir folder_;
  std::unique_ptr<ArtifactStore> store_ =
      MakeRemoteStore({.cache = folder_.path() / "cache", .schemes = {"file"}, .library = {}});
};

// A bucket of a server's, which tests/e2e/test_remote_models.py starts.
class RemotePlace : public ArtifactPlace {
 public:
  explicit RemotePlace(const std::string& bucket) : root_(bucket + "/" + NewUuid()) {}
  ArtifactStore& store() override { return *store_; }
  std::string root() override { return root_; }

 private:
  const std::string root_;
  TempDir cache_;
  std::unique_ptr<ArtifactStore> store_ = MakeRemoteStore({.cache = cache_.path(), .library = {}});
};

std::vector<ArtifactStoreUnderTest> WhenBuilt() {
  if (!HasModule()) return {};
  std::vector<ArtifactStoreUnderTest> stores = {{"Arrow", [] { return std::make_unique<LocalPlace>(); }}};
  if (const char* bucket = std::getenv("HEADRACE_TEST_BUCKET"))
    stores.push_back({"Remote", [bucket] { return std::make_unique<RemotePlace>(bucket); }});
  return stores;
}

INSTANTIATE_TEST_SUITE_P(Arrow, ArtifactStoreConformance, testing::ValuesIn(WhenBuilt()), ArtifactStoreName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ArtifactStoreConformance);

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

class RemoteStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasModule()) GTEST_SKIP() << "built without Arrow; run ./dev setup";
    std::filesystem::create_directories(remote());
  }
  std::filesystem::path remote() const { return folder_.path() / "remote"; }
  std::string Uri(const std::string& path) const { return "file://" + (remote() / path).string(); }
  void Write(const std::filesystem::path& path, std::string_view content) {
    ASSERT_EQ(WriteFileAtomically(path, content), OkStatus());
  }

  TempDir folder_;
  std::unique_ptr<ArtifactStore> store_ =
      MakeRemoteStore({.cache = folder_.path() / "cache", .schemes = {"file"}, .library = {}});
};

TEST_F(RemoteStoreTest, ServesItsSchemesOnly) {
  const auto store = MakeRemoteStore({.cache = folder_.path() / "cache", .library = {}});
  EXPECT_TRUE(store->Serves("s3://bucket/key"));
  EXPECT_TRUE(store->Serves("gs://bucket/key"));
  EXPECT_FALSE(store->Serves("/models/m"));
  EXPECT_FALSE(store->Serves("s3"));
  EXPECT_EQ(store->Read("/models/m").error().code(), Code::kInvalidArgument);
}

TEST_F(RemoteStoreTest, PutsListsReadsAndRemoves) {
  Write(folder_.path() / "local" / "model.onnx", "model");
  Write(folder_.path() / "local" / "variables" / "deep" / "a", std::string(9 << 20, 'a'));
  ASSERT_EQ(store_->Put(folder_.path() / "local", Uri("m/1")), OkStatus());
  EXPECT_EQ(store_->Put(folder_.path() / "local", Uri("m/1")).code(), Code::kAlreadyExists);
  ASSERT_EQ(store_->Put(folder_.path() / "local" / "model.onnx", Uri("single")), OkStatus());
  const auto entries = store_->List(Uri("m/1/"));
  ASSERT_TRUE(entries.has_value()) << entries.error().ToString();
  EXPECT_THAT(*entries, ElementsAre(Field(&ArtifactEntry::uri, Uri("m/1/model.onnx")),
                                    Field(&ArtifactEntry::uri, Uri("m/1/variables"))));
  EXPECT_EQ((*entries)[0].bytes, 5);
  EXPECT_TRUE((*entries)[1].is_directory);
  EXPECT_EQ(store_->Read(Uri("single")), "model");
  EXPECT_EQ(store_->Read(Uri("m/1/variables/deep/a"))->size(), size_t{9} << 20);
  EXPECT_EQ(store_->Read(Uri("m/1")).error().code(), Code::kNotFound);
  EXPECT_TRUE(store_->List(Uri("single"))->empty());
  ASSERT_EQ(store_->Remove(Uri("m")), OkStatus());
  EXPECT_EQ(store_->Remove(Uri("m")).code(), Code::kNotFound);
  EXPECT_EQ(store_->List(Uri("m")).error().code(), Code::kNotFound);
}

TEST_F(RemoteStoreTest, LocalCopiesFollowTheirState) {
  Write(remote() / "m" / "1" / "model.onnx", "one");
  Write(remote() / "m" / "1" / "deep" / "weights", "w");
  const auto first = store_->Localize(Uri("m/1"));
  ASSERT_TRUE(first.has_value()) << first.error().ToString();
  EXPECT_EQ(first->filename(), "1");
  EXPECT_EQ(ReadFile(*first / "model.onnx"), "one");
  EXPECT_EQ(ReadFile(*first / "deep" / "weights"), "w");
  EXPECT_EQ(store_->Localize(Uri("m/1")), *first);
  Write(remote() / "m" / "1" / "model.onnx", "second");
  const auto second = store_->Localize(Uri("m/1"));
  EXPECT_NE(*second, *first);
  EXPECT_EQ(ReadFile(*second / "model.onnx"), "second");
  EXPECT_EQ(ReadFile(*first / "model.onnx"), "one");
  Write(remote() / "m" / "1" / "model.onnx", "the third");
  ASSERT_TRUE(store_->Localize(Uri("m/1")).has_value());
  EXPECT_FALSE(std::filesystem::exists(*first));
  EXPECT_TRUE(std::filesystem::exists(*second));
  EXPECT_EQ(store_->Localize(Uri("absent")).error().code(), Code::kNotFound);
}

TEST(RemoteStore, SaysWhatIsMissing) {
  const TempDir folder;
  const auto store = MakeRemoteStore({.cache = folder.path(), .library = "/no/libheadrace_arrow.so"});
  const auto read = store->Read("s3://bucket/key");
  EXPECT_EQ(read.error().code(), Code::kUnavailable);
  EXPECT_THAT(read.error().message(), HasSubstr("/no/libheadrace_arrow.so"));
}

}  // namespace
}  // namespace headrace::arrow
