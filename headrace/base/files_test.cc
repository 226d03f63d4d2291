#include "headrace/base/files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

namespace headrace {
namespace {
namespace fs = std::filesystem;

void Write(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

TEST(WriteFileAtomically, ReplacesWholeAndLeavesNothingAside) {
  TempDir folder;
  const fs::path file = folder.path() / "deep" / "file";
  ASSERT_TRUE(WriteFileAtomically(file, "one").ok());
  ASSERT_TRUE(WriteFileAtomically(file, "two").ok());
  EXPECT_EQ(*ReadFile(file), "two");
  EXPECT_EQ(std::distance(fs::directory_iterator(file.parent_path()), {}), 1);
}

TEST(WriteFileAtomically, FailsWhereAFolderStands) {
  TempDir folder;
  fs::create_directory(folder.path() / "x");
  EXPECT_FALSE(WriteFileAtomically(folder.path() / "x", "text").ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(ReadFile, SaysWhichFileIsMissing) {
  const auto read = ReadFile("/no/such/file");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::kNotFound);
  EXPECT_NE(read.error().message().find("/no/such/file"), std::string::npos);
}

TEST(PublishByRename, NeverReplaces) {
  TempDir folder;
  Write(folder.path() / "aside" / "model.onnx", "m");
  ASSERT_TRUE(PublishByRename(folder.path() / "aside", folder.path() / "models" / "1").ok());
  EXPECT_EQ(*ReadFile(folder.path() / "models" / "1" / "model.onnx"), "m");
  Write(folder.path() / "aside" / "model.onnx", "other");
  EXPECT_EQ(PublishByRename(folder.path() / "aside", folder.path() / "models" / "1").code(), Code::kAlreadyExists);
  EXPECT_EQ(*ReadFile(folder.path() / "models" / "1" / "model.onnx"), "m");
}

TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(Sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256OfTree, DependsOnNamesAndBytesOnly) {
  TempDir one, two;
  for (const auto* folder : {&one, &two}) {
    Write(folder->path() / "b" / "file", "1");
    Write(folder->path() / "a", "2");
  }
  EXPECT_EQ(*Sha256OfTree(one.path()), *Sha256OfTree(two.path()));
  fs::rename(two.path() / "a", two.path() / "c");
  EXPECT_NE(*Sha256OfTree(one.path()), *Sha256OfTree(two.path()));
  EXPECT_EQ(*Sha256OfTree(one.path() / "a"), Sha256("2"));
}

TEST(NewUuid, IsVersion4AndFresh) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; i++) {
    const std::string id = NewUuid();
    ASSERT_EQ(id.size(), 36u);
    EXPECT_EQ(id[14], '4');
    EXPECT_TRUE(std::string("89ab").contains(id[19]));
    EXPECT_TRUE(seen.insert(id).second);
  }
}

}  // namespace
}  // namespace headrace
