// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/bounded_json.h"

#include <gtest/gtest.h>

#include <string>

namespace jetcal {
namespace {

using nlohmann::ordered_json;

BoundedJson<ordered_json> parse(const std::string& text) {
  return parse_bounded_json<ordered_json>(text, 2);
}

TEST(BoundedJson, KeepsTheOrderOfFields) {
  const auto [document, too_deep] = parse(R"({"b": 1, "a": [2, {}]})");
  EXPECT_EQ(document.dump(), R"({"b":1,"a":[2,{}]})");
  EXPECT_FALSE(too_deep);
}

TEST(BoundedJson, GivesNothingOfADocumentThatIsNestedTooDeeply) {
  for (const char* text : {R"([[[1]]])", R"({"a": {"b": {"c": 1}}})", R"([1, {"a": [[]]}, 2])"}) {
    const auto [document, too_deep] = parse(text);
    EXPECT_TRUE(document.is_discarded()) << text;
    EXPECT_TRUE(too_deep) << text;
  }
}

TEST(BoundedJson, BearsAMillionBrackets) {
  EXPECT_TRUE(parse(std::string(1'000'000, '[')).too_deep);
  EXPECT_TRUE(parse(std::string(1'000'000, '[') + std::string(1'000'000, ']')).too_deep);
}

TEST(BoundedJson, TellsWhatIsNoJsonFromWhatIsTooDeep) {
  for (const char* text : {"", "{", "[1,]", "{} {}"}) {
    const auto [document, too_deep] = parse(text);
    EXPECT_TRUE(document.is_discarded()) << text;
    EXPECT_FALSE(too_deep) << text;
  }
}

}  // namespace
}  // namespace jetcal
