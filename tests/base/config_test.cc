// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace jetcal {
namespace {

using ::testing::HasSubstr;

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Config, ReadsDottedNamesWithDefaults) {
  const Config config = Config::parse("training:\n  epochs: 50\n  lr: 1.0e-3\n", "train.yaml");
  EXPECT_EQ(config.get("training.epochs", 1), 50);
  EXPECT_DOUBLE_EQ(config.get("training.lr", 0.0), 1e-3);
  EXPECT_EQ(config.get<std::string>("training.optimizer", "ranger"), "ranger");
  EXPECT_NO_THROW(config.reject_unknown());
}

TEST(Config, NamesFileLineAndFieldOfAWrongType) {
  const Config config = Config::parse("training:\n  epochs: many\n", "train.yaml");
  EXPECT_THAT(message_of([&] { config.get("training.epochs", 1); }),
              HasSubstr("train.yaml:2: the field 'training.epochs' cannot be 'many'"));
}

TEST(Config, NamesAnUnknownFieldAndTheNearestKnownOne) {
  const Config config = Config::parse("training:\n  epoch: 3\n", "train.yaml");
  config.get("training.epochs", 1);
  EXPECT_THAT(message_of([&] { config.reject_unknown(); }),
              HasSubstr("unknown field 'training.epoch', did you mean 'training.epochs'?"));
}

TEST(Config, OverridesAFieldAndMakesItsMapping) {
  Config config;
  config.set("training.epochs", "7");
  EXPECT_EQ(config.require<int>("training.epochs"), 7);
}

TEST(Config, SaysWhereYamlIsBroken) {
  EXPECT_THAT(message_of([] { Config::parse("a: [1, 2\nb: 3\n", "x.yaml"); }),
              HasSubstr("x.yaml:"));
  EXPECT_THAT(message_of([] { Config::parse("- 1\n- 2\n", "x.yaml"); }),
              HasSubstr("x.yaml: expected a mapping"));
  EXPECT_THAT(message_of([] { Config::load("/no/such/file.yaml"); }), HasSubstr("no such file"));
}

}  // namespace
}  // namespace jetcal
