// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/command_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"

namespace jetcal::hpo {
namespace {

using ::testing::ElementsAre;

TEST(CommandTemplate, PutsValuesIn) {
  const Substitutions values{{"lr", "0.1"}, {"n", "3"}};
  EXPECT_EQ(substitute("train --lr ${lr} -n${n}", values), "train --lr 0.1 -n3");
  EXPECT_EQ(substitute("${trialParameters.lr}", values), "0.1");
  EXPECT_EQ(substitute("echo $HOME $${lr} $(date)", values), "echo $HOME ${lr} $(date)");
  EXPECT_EQ(substitute("", values), "");
  EXPECT_THAT(names_in("${a} ${b} ${a} $${c}"), ElementsAre("a", "b"));
}

TEST(CommandTemplate, NamesWhatIsMissing) {
  EXPECT_THROW(substitute("${momentum}", {}), Error);
  EXPECT_THROW(names_in("${momentum"), Error);
}

TEST(CommandTemplate, QuotesForTheShell) {
  EXPECT_EQ(shell_quoted("0.5e-3"), "0.5e-3");
  EXPECT_EQ(shell_quoted(""), "''");
  EXPECT_EQ(shell_quoted("a b; rm -rf 'x'"), "'a b; rm -rf '\\''x'\\'''");
}

}  // namespace
}  // namespace jetcal::hpo
