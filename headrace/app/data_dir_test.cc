#include "headrace/app/data_dir.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "headrace/base/files.h"

namespace headrace::app {
namespace {

TEST(OpenDataDir, MakesTheFolders) {
  TempDir temp;
  const auto data_dir = OpenDataDir((temp.path() / "deep/er").string());
  ASSERT_TRUE(data_dir);
  EXPECT_TRUE(std::filesystem::is_directory(data_dir->models()));
}

TEST(OpenDataDir, NamesTheFolderThatCannotBeMade) {
  TempDir temp;
  std::ofstream(temp.path() / "file") << "x";
  const auto data_dir = OpenDataDir((temp.path() / "file/below").string());
  ASSERT_FALSE(data_dir);
  EXPECT_NE(data_dir.error().message().find("file/below"), std::string::npos);
}

TEST(DataDirLock, IsHeldByOneAndReleased) {
  TempDir temp;
  const auto data_dir = *OpenDataDir(temp.path().string());
  auto first = DataDirLock::Acquire(data_dir);
  ASSERT_TRUE(first);
  const auto second = DataDirLock::Acquire(data_dir);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message().find(std::to_string(getpid())), std::string::npos);
  first->reset();
  EXPECT_TRUE(DataDirLock::Acquire(data_dir));
}

}  // namespace
}  // namespace headrace::app
