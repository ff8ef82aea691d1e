// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/bearer_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::server {
namespace {

using testing::HasSubstr;

class BearerTokensTest : public testing::Test {
 protected:
  void write(const std::string& text) { write_file(file_, text); }
  static std::optional<std::string> ask(const BearerTokens& tokens, const std::string& header,
                                        const std::string& target = "/v2") {
    return tokens.refusal({"GET", target, {{"authorization", header}}});
  }
  std::string problem(const std::string& text) {
    write(text);
    try {
      BearerTokens(file_, {});
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }
  const TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_ / "tokens";
};

TEST_F(BearerTokensTest, KnowsEveryTokenAndNothingElse) {
  write("# comment\n\none\r\n  two\t\nthree");
  const BearerTokens tokens(file_, {});
  for (const char* good : {"Bearer one", "bearer two", "BEARER   three ", "Bearer one\t"})
    EXPECT_EQ(ask(tokens, good), std::nullopt) << good;
  for (const char* bad : {"Bearer on", "Bearer onee", "Bearer", "Bearer # comment", "one",
                          "Basic one", "Bearerone", "", "Bearer one two"})
    EXPECT_NE(ask(tokens, bad), std::nullopt) << bad;
  EXPECT_THAT(*tokens.refusal({"GET", "/v2", {}}), HasSubstr("Authorization: Bearer TOKEN"));
}

TEST_F(BearerTokensTest, FreePathsAreMatchedWhole) {
  write("one\n");
  const BearerTokens tokens(file_, {"/v2/health/live"});
  EXPECT_EQ(ask(tokens, "", "/v2/health/live"), std::nullopt);
  EXPECT_EQ(ask(tokens, "", "/v2/health/live?a=b"), std::nullopt);
  for (const char* other : {"/v2/health/live/", "/v2/health/live/../../models", "/v2/health/Live",
                            "/v2/health/liv%65", "//v2/health/live"})
    EXPECT_NE(ask(tokens, "", other), std::nullopt) << other;
}

TEST_F(BearerTokensTest, ReadsTheFileAgainOnceItChanges) {
  write("one\n");
  BearerTokens tokens(file_, {});
  EXPECT_FALSE(tokens.reload());
  write("other\n");
  EXPECT_TRUE(tokens.reload());
  EXPECT_EQ(ask(tokens, "Bearer other"), std::nullopt);
  EXPECT_NE(ask(tokens, "Bearer one"), std::nullopt);
  write("");
  EXPECT_THROW(tokens.reload(), Error);
  EXPECT_FALSE(tokens.reload());  // said once
  EXPECT_EQ(ask(tokens, "Bearer other"), std::nullopt);
  std::filesystem::remove(file_);
  EXPECT_THROW(tokens.reload(), Error);
  EXPECT_EQ(ask(tokens, "Bearer other"), std::nullopt);
}

TEST_F(BearerTokensTest, NamesWhatIsWrongWithTheFile) {
  EXPECT_THAT(problem("good\nwith blank\n"), HasSubstr("line 2 of the token file"));
  EXPECT_THAT(problem("caf\xc3\xa9\n"), HasSubstr("line 1 of the token file"));
  EXPECT_THAT(problem("\n# only\n"), HasSubstr("holds no token"));
  std::filesystem::remove(file_);
  EXPECT_THROW(BearerTokens(file_, {}), Error);
}

}  // namespace
}  // namespace jetcal::server
