// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/document.h"

#include <gmock/gmock.h>

namespace jetcal::pipeline {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(const std::string& text, const DocumentLimits& limits = {}) {
  try {
    parse_documents(text, "p.yaml", limits);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.what();
  }
  return "no error";
}

TEST(Document, KnowsWhereEveryValueStands) {
  const auto documents = parse_documents("a: 1\nb:\n  - x\n  - {c: 'd'}\n", "p.yaml");
  ASSERT_EQ(documents.size(), 1U);
  const Node& b = *documents[0].find("b");
  EXPECT_EQ(b.items[1].find("c")->text, "d");
  EXPECT_EQ(b.items[1].find("c")->at.line, 4);
  EXPECT_EQ(b.items[1].find("c")->at.column, 9);
  EXPECT_EQ(documents[0].find("absent"), nullptr);
}

TEST(Document, ReadsScalarsAsYaml12Does) {
  const Json value =
      to_json(parse_documents("{i: 3, f: 1e-3, t: true, n: null, q: '3', w: yes, v: 1.2.3, d: -, "
                              "big: 99999999999999999999}",
                              "p.yaml")[0]);
  EXPECT_EQ(value["i"], 3);
  EXPECT_DOUBLE_EQ(value["f"].get<double>(), 1e-3);
  EXPECT_EQ(value["t"], true);
  EXPECT_TRUE(value["n"].is_null());
  EXPECT_EQ(value["q"], "3");
  EXPECT_EQ(value["w"], "yes");
  EXPECT_EQ(value["v"], "1.2.3");
  EXPECT_EQ(value["d"], "-");
  EXPECT_TRUE(value["big"].is_number_float());
}

TEST(Document, RefusesWhatIsNoYamlWithItsPlace) {
  EXPECT_THAT(error_of("a: [1, 2\nb: 3\n"), StartsWith("p.yaml:2:"));
  EXPECT_THAT(error_of(std::string("a: \0b", 5)), HasSubstr("zero bytes"));
  EXPECT_THAT(error_of("a: 1\n a: 2\n"), StartsWith("p.yaml:2:"));
}

TEST(Document, EndsAtACommaWhereNoValueCanBegin) {
  for (const std::string stray : {",", ",,", ", a: 1"}) {
    EXPECT_EQ(error_of(stray), "p.yaml:1:1: this is not YAML: no value can begin here") << stray;
    EXPECT_THAT(error_of("a: 1\n---\n" + stray), StartsWith("p.yaml:3:1: ")) << stray;
  }
}

TEST(Document, RefusesTextThatJsonCannotHold) {
  EXPECT_EQ(error_of("a: 1\nb: x\x95\n"), "p.yaml:2:4: the text is no UTF-8");
  EXPECT_EQ(error_of("a: 1\n'\xC3': 2\n"), "p.yaml:2:1: the text is no UTF-8");
  EXPECT_EQ(to_json(parse_documents("a: \xC3\xA9 # \x95\n", "p.yaml")[0]).dump(),
            "{\"a\":\"\xC3\xA9\"}");
}

TEST(Document, RefusesAFieldThatIsGivenTwice) {
  EXPECT_EQ(error_of("steps:\n  a: 1\n  b: 2\n  a: 3\n"),
            "p.yaml:4:3: the field 'a' is given twice");
}

TEST(Document, MeetsABombBeforeItGrows) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char level = 'b'; level <= 'j'; ++level) {
    bomb += std::string(1, level) + ": &" + level + " [";
    for (int i = 0; i < 10; ++i) bomb += std::string(i > 0 ? ", " : "") + "*" + char(level - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(error_of(bomb), HasSubstr("more than 100000 values, aliases counted"));
  EXPECT_THAT(error_of("a: &a [1, *a]\n"), HasSubstr("inside of what it names"));
  EXPECT_THAT(error_of(std::string(100, '[')), HasSubstr("nested more than 64 deep"));
  EXPECT_THAT(error_of(std::string(5U << 20U, ' ')), HasSubstr("bytes"));
}

TEST(Document, CountsTheValuesOfAllDocuments) {
  EXPECT_EQ(parse_documents("--- [1, 2]\n--- [1, 2]\n---\n", "p.yaml", {100, 7}).size(), 3U);
  EXPECT_THAT(error_of("--- [1, 2]\n--- [1, 2]\n---\n", {100, 6}), HasSubstr("more than 6 values"));
}

TEST(Document, TakesAliasesWithinTheLimits) {
  const Json value = to_json(parse_documents("a: &x {n: 1}\nb: *x\n", "p.yaml")[0]);
  EXPECT_EQ(value["b"]["n"], 1);
}

TEST(Document, SurvivesEveryTruncation) {
  const std::string text = "a: &x {n: [1, 'two']}\nb: *x\nc: |\n  text\n--- \nd: \"e\"\n";
  for (std::size_t length = 0; length < text.size(); ++length)
    error_of(text.substr(0, length));  // an error or none, but no crash
}

TEST(MappingReader, NamesTheNearestOfUnknownFields) {
  const std::string source = "p.yaml";
  const Node node = parse_documents("comand: x\n", source)[0];
  MappingReader fields(source, node, "the step 'a'");
  fields.optional("command");
  EXPECT_THROW(
      try { fields.done(); } catch (const Error& error) {
        EXPECT_STREQ(error.what(),
                     "p.yaml:1:1: the step 'a' has no field 'comand'; did you mean 'command'?");
        throw;
      },
      Error);
}

}  // namespace
}  // namespace jetcal::pipeline
