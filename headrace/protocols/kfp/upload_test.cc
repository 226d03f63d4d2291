// Forms and archives: what people upload pipelines as.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "headrace/protocols/kfp/multipart.h"
#include "headrace/protocols/kfp/package.h"

namespace headrace::kfp {
namespace {

using testing::HasSubstr;

constexpr char kType[] = "multipart/form-data; boundary=abc";

TEST(ParseForm, FindsPartsAndTheirNames) {
  const std::string body =
      "--abc\r\nContent-Disposition: form-data; name=\"uploadfile\"; filename=\"a \\\"b\\\".yaml\"\r\n"
      "Content-Type: application/x-yaml\r\n\r\nline 1\r\n--ab\r\n\r\n--abc\r\n"
      "content-disposition: form-data; name=note\r\n\r\n\r\n--abc--\r\n";
  const auto parts = ParseForm(kType, body);
  ASSERT_TRUE(parts) << parts.error().ToString();
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ(parts->at(0).name, "uploadfile");
  EXPECT_EQ(parts->at(0).file_name, "a \"b\".yaml");
  EXPECT_EQ(parts->at(0).content, "line 1\r\n--ab\r\n");
  EXPECT_EQ(parts->at(1).name, "note");
  EXPECT_EQ(parts->at(1).content, "");
}

TEST(ParseForm, TakesAQuotedBoundaryAndAPreamble) {
  const auto parts = ParseForm("Multipart/Form-Data; charset=utf-8; boundary=\"a b\"",
                               "preamble\r\n--a b\r\nContent-Disposition: form-data; name=x\r\n\r\ny\r\n--a b--");
  ASSERT_TRUE(parts) << parts.error().ToString();
  EXPECT_EQ(parts->at(0).content, "y");
}

TEST(ParseForm, RefusesWhatIsNotAForm) {
  EXPECT_THAT(ParseForm("application/json", "{}").error().message(), HasSubstr("multipart/form-data"));
  EXPECT_THAT(ParseForm("multipart/form-data", "x").error().message(), HasSubstr("boundary"));
  EXPECT_THAT(ParseForm(kType, "").error().message(), HasSubstr("does not occur"));
  EXPECT_THAT(ParseForm(kType, "--abc\r\nContent-Disposition: x\r\n\r\ncut off").error().message(),
              HasSubstr("does not end"));
  EXPECT_THAT(ParseForm(kType, "--abc\r\nno headers\r\n--abc--").error().message(), HasSubstr("headers do not end"));
}

std::string Deflate(const std::string& text, int window_bits) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string Little(uint64_t number, size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; i++) bytes += static_cast<char>(number >> 8 * i);
  return bytes;
}

using Files = std::vector<std::pair<std::string, std::string>>;

std::string Zip(const Files& files) {
  std::string zip, directory;
  for (const auto& [name, text] : files) {
    const std::string packed = Deflate(text, -15);
    const std::string sizes = Little(0, 4) + Little(packed.size(), 4) + Little(text.size(), 4) + Little(name.size(), 2);
    directory += "PK\x01\x02" + Little(20, 2) + Little(20, 2) + Little(0, 2) + Little(8, 2) + Little(0, 4) + sizes +
                 Little(0, 2) + Little(0, 2) + Little(0, 8) + Little(zip.size(), 4) + name;
    zip += "PK\x03\x04" + Little(20, 2) + Little(0, 2) + Little(8, 2) + Little(0, 4) + sizes + Little(0, 2) + name +
           packed;
  }
  const std::string counts = Little(files.size(), 2) + Little(files.size(), 2);
  return zip + directory + "PK\x05\x06" + Little(0, 4) + counts + Little(directory.size(), 4) + Little(zip.size(), 4) +
         Little(0, 2);
}

std::string TarGz(const Files& files) {
  std::string tar;
  for (const auto& [name, text] : files) {
    std::string header = name;
    header.resize(512, '\0');
    char size[12];
    std::snprintf(size, sizeof size, "%011zo", text.size());
    header.replace(124, 11, size, 11);
    header[156] = '0';
    tar += header + text + std::string((512 - text.size() % 512) % 512, '\0');
  }
  return Deflate(tar + std::string(1024, '\0'), 15 + 16);
}

TEST(ExtractPipeline, TakesPlainText) { EXPECT_EQ(ExtractPipeline("a: 1\n"), "a: 1\n"); }

TEST(ExtractPipeline, PrefersPipelineYaml) {
  const std::string text(100'000, 'y');
  for (const auto& pack : {Zip, TarGz}) {
    EXPECT_EQ(ExtractPipeline(pack({{"other.yaml", "no"}, {"pipeline.yaml", text}})), text);
    EXPECT_EQ(ExtractPipeline(pack({{"other.yml", "first"}, {"b.yaml", "no"}})), "first");
    EXPECT_THAT(ExtractPipeline(pack({{"readme.txt", "no"}})).error().message(), HasSubstr("found readme.txt"));
    EXPECT_THAT(ExtractPipeline(pack({})).error().message(), HasSubstr("no file"));
  }
}

TEST(ExtractPipeline, BombsAndDamageAreRefused) {
  const std::string bomb(kLargestPackage + 1, '\0');
  EXPECT_THAT(ExtractPipeline(Zip({{"pipeline.yaml", bomb}})).error().message(), HasSubstr("larger than"));
  EXPECT_THAT(ExtractPipeline(TarGz({{"pipeline.yaml", bomb}})).error().message(), HasSubstr("larger than"));
  EXPECT_THAT(ExtractPipeline(bomb).error().message(), HasSubstr("at most"));
  // Cut off and with each byte changed: an error or some text, never a crash.
  for (const std::string& whole : {Zip({{"pipeline.yaml", "a: 1"}}), TarGz({{"pipeline.yaml", "a: 1"}})}) {
    for (size_t size = 2; size < whole.size(); size++) {
      const auto cut = ExtractPipeline(std::string_view(whole).substr(0, size));
      EXPECT_TRUE(cut || cut.error().code() == Code::kInvalidArgument) << size;
    }
    for (size_t at = 2; at < whole.size(); at++) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ 0xff);
      const auto extracted = ExtractPipeline(changed);
      EXPECT_TRUE(extracted || extracted.error().code() == Code::kInvalidArgument) << at;
    }
  }
}

}  // namespace
}  // namespace headrace::kfp
