// SPDX-License-Identifier: Apache-2.0
#include "jetcal/suggest/observation_service.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "jetcal/base/error.h"

namespace jetcal::suggest {
namespace {

TEST(ParseTime, CountsSecondsOfEveryZone) {
  EXPECT_DOUBLE_EQ(parse_time("1970-01-01T00:00:00Z"), 0);
  EXPECT_DOUBLE_EQ(parse_time("2000-02-29T12:30:15.25Z"), 951827415.25);
  EXPECT_DOUBLE_EQ(parse_time("2000-02-29T14:30:15.25+02:00"), 951827415.25);
  EXPECT_DOUBLE_EQ(parse_time("2000-02-29T03:00:15.25-09:30"), 951827415.25);
}

TEST(ParseTime, RefusesWhatIsNoTime) {
  for (const char* text : {"", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
                           "2026-11-23T07:30:00", "2026-11-23T07:61:00Z", "2026-11-23T07:30:00+1",
                           "2026-11-23T07:30:00.5", "-026-11-23T07:30:00Z"})
    EXPECT_THROW(parse_time(text), Error) << text;
}

TEST(ObservationService, NamesAFileThatItCannotOpen) {
  try {
    const ObservationService service("/proc/none/observations.db");
    FAIL() << "opened a file in /proc";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(error.what(), testing::HasSubstr("/proc/none/observations.db"));
  }
}

}  // namespace
}  // namespace jetcal::suggest
