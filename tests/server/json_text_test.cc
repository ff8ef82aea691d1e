// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace jetcal::server {
namespace {

std::string written(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonText, EveryStringParsesBackToItself) {
  for (int byte = 0; byte < 128; ++byte) {
    const std::string text = "a" + std::string(1, static_cast<char>(byte)) + "ä€😀";
    EXPECT_EQ(nlohmann::json::parse(written(text)).get<std::string>(), text) << byte;
  }
}

TEST(JsonText, BytesThatAreNotUtf8BecomeTheReplacementCharacter) {
  for (const char* const text :
       {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    const std::string back =
        nlohmann::json::parse(written(std::string("<") + text + ">")).get<std::string>();
    EXPECT_EQ(back.front(), '<');
    EXPECT_EQ(back.back(), '>');
    EXPECT_NE(back.find("\xEF\xBF\xBD"), std::string::npos);
  }
}

}  // namespace
}  // namespace jetcal::server
