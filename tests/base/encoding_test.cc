// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/encoding.h"

#include <gtest/gtest.h>

#include <array>

namespace jetcal {
namespace {

TEST(AsUtf8, KeepsWhatIsUtf8) {
  for (const std::string_view text :
       {"", "plain", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    EXPECT_TRUE(is_utf8(text));
    EXPECT_EQ(as_utf8(text), text);
  }
}

TEST(AsUtf8, ReplacesEveryOtherByte) {
  constexpr std::string_view kMark = "\xEF\xBF\xBD";
  const std::string two = std::string(kMark) + std::string(kMark);
  EXPECT_EQ(as_utf8("a\xAF!"), "a" + std::string(kMark) + "!");
  EXPECT_EQ(as_utf8("\xC0\xAF"), two);                           // overlong
  EXPECT_EQ(as_utf8("\xE2\x82"), two);                           // cut
  EXPECT_EQ(as_utf8("\xED\xA0\x80"), two + std::string(kMark));  // surrogate
  for (const std::string_view text : {"a\xAF!", "\xC0\xAF", "\xE2\x82", "\xF5\x80\x80\x80"})
    EXPECT_FALSE(is_utf8(text));
}

TEST(Base64, HasTheVectorsOfRfc4648) {
  const std::array<std::string_view, 7> coded{"",         "Zg==",     "Zm8=",    "Zm9v",
                                              "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  for (std::size_t i = 0; i < coded.size(); ++i)
    EXPECT_EQ(base64(std::string_view("foobar").substr(0, i)), coded[i]);
  EXPECT_EQ(base64("\xFF\xFE\xFD"), "//79");
}

TEST(PercentEncoded, LeavesUnreservedCharactersAlone) {
  EXPECT_EQ(percent_encoded("a b/\xC3\xA9~_-.", true), "a%20b/%C3%A9~_-.");
  EXPECT_EQ(percent_encoded("a/b+c="), "a%2Fb%2Bc%3D");
}

}  // namespace
}  // namespace jetcal
