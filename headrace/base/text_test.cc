#include <gtest/gtest.h>

#include "headrace/base/base64.h"
#include "headrace/base/utf8.h"

namespace headrace {
namespace {

TEST(Base64, KeepsEveryByte) {
  std::string bytes;
  for (int i = 0; i < 256; i++) bytes += static_cast<char>(i);
  for (const size_t size : {0, 1, 2, 3, 255, 256}) {
    std::string text;
    AppendBase64(&text, bytes.substr(0, size));
    EXPECT_EQ(text.size() % 4, 0u);
    std::string back(text.size() * 3 / 4 + 1, '\0');
    const auto length = DecodeBase64(text, back.data());
    ASSERT_TRUE(length);
    EXPECT_EQ(back.substr(0, *length), bytes.substr(0, size));
  }
}

TEST(Utf8, TakesWellFormedSequencesOnly) {
  for (const char* good :
       {"", "plain", "h\xc3\xb6he", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(IsUtf8(good)) << good;
  EXPECT_TRUE(IsUtf8(std::string_view("\0", 1)));
  for (const char* bad : {"\xff", "\x80", "\xc3", "a\xc3z", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xf0\x9f\x98"})
    EXPECT_FALSE(IsUtf8(bad)) << bad;
}

}  // namespace
}  // namespace headrace
