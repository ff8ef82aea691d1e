// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/number.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace jetcal {
namespace {

TEST(ParseNumber, TakesTheWholeTextOrNothing) {
  EXPECT_EQ(parse_number<int>("-12"), -12);
  EXPECT_EQ(parse_number<double>("1e-5"), 1e-5);
  EXPECT_TRUE(std::isinf(parse_number<double>("-inf").value()));
  for (const char* text : {"", " 1", "1 ", "1x", "x", "+1", "-", "1.5.2", "0x10"})
    EXPECT_FALSE(parse_number<double>(text)) << "'" << text << "'";
  EXPECT_FALSE(parse_number<int>("1.5"));
}

TEST(ParseNumber, RefusesWhatTheTypeCannotHold) {
  EXPECT_EQ(parse_number<std::int64_t>("9223372036854775807"), INT64_MAX);
  EXPECT_FALSE(parse_number<std::int64_t>("9223372036854775808"));
  EXPECT_FALSE(parse_number<unsigned>("-1"));
  EXPECT_FALSE(parse_number<double>("1e999"));
}

TEST(ParseSignedNumber, TakesOnePlus) {
  EXPECT_EQ(parse_signed_number<double>("+2.5"), 2.5);
  EXPECT_EQ(parse_signed_number<int>("-3"), -3);
  for (const char* text : {"+", "++1", "+-1", "-+1"})
    EXPECT_FALSE(parse_signed_number<int>(text)) << "'" << text << "'";
}

}  // namespace
}  // namespace jetcal
