// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/detail/file_date.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace jetcal::analysis::detail {
namespace {

TEST(FileDate, ReplacesTheDatesOfAPdfAndKeepsItsLength) {
  const std::string before =
      "<<\n/CreationDate (D:20261123073308+00'00')\n/ModDate (D:20261123073308+00'00')\n>>";
  const std::string after = with_date(before, 86400);
  EXPECT_EQ(after,
            "<<\n/CreationDate (D:19700102000000+00'00')\n/ModDate (D:19700102000000+00'00')\n>>");
  EXPECT_EQ(with_date("/ModDate (D:2026", 0), "/ModDate (D:2026") << "cut: left as it is";
}

TEST(FileDate, ReplacesTheDateOfAnSvg) {
  EXPECT_EQ(with_date("<desc>\nCreationDate: Mon Nov 23 07:33:08 2026</desc>", 0),
            "<desc>\nCreationDate: Thu Jan 01 00:00:00 1970</desc>");
  EXPECT_EQ(with_date("<svg></svg>", 0), "<svg></svg>");
}

TEST(FileDate, IsWhatTheEnvironmentSays) {
  ::setenv("SOURCE_DATE_EPOCH", "17", 1);
  EXPECT_EQ(source_date(), 17);
  ::setenv("SOURCE_DATE_EPOCH", "soon", 1);
  EXPECT_EQ(source_date(), -1);
  ::unsetenv("SOURCE_DATE_EPOCH");
  EXPECT_EQ(source_date(), -1);
}

}  // namespace
}  // namespace jetcal::analysis::detail
