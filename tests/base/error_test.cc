// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/error.h"

#include <gtest/gtest.h>

namespace jetcal {
namespace {

TEST(Error, CarriesItsCodeAndOneSentence) {
  try {
    fail(ErrorCode::DataLoss, "basket is shorter than its header says: ", "a.root", ", got ", 3,
         " of ", 7, " bytes");
    FAIL() << "fail() returned";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::DataLoss);
    EXPECT_STREQ(error.what(), "basket is shorter than its header says: a.root, got 3 of 7 bytes");
  }
}

TEST(Result, HoldsAValueOrThrowsItsError) {
  const Result<int> value = 3;
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value.value(), 3);
  const Result<int> failure = Error(ErrorCode::Unavailable, "queue is full");
  ASSERT_FALSE(failure.ok());
  EXPECT_EQ(failure.error().code(), ErrorCode::Unavailable);
  EXPECT_THROW(failure.value(), Error);
}

TEST(ErrorCode, HasANameForEveryValue) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::Internal); ++code) {
    EXPECT_NE(error_code_name(static_cast<ErrorCode>(code)), "unknown");
  }
}

}  // namespace
}  // namespace jetcal
