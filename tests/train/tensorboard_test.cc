// SPDX-License-Identifier: Apache-2.0
// That TensorBoard itself reads these files is tested in tests/python/test_train.py.
#include "jetcal/train/tensorboard.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace jetcal::train {
namespace {

TEST(Crc32c, MeetsThePublishedValues) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(TensorBoard, HeaderIsTheKnownRecord) {
  // Event{wall_time: 1.0, step: 0, file_version: "brain.Event:2"}
  const std::string event =
      std::string("\x09\x00\x00\x00\x00\x00\x00\xF0\x3F\x10\x00\x1A\x0D", 13) + "brain.Event:2";
  const std::string record = tensorboard_header(1.0);
  ASSERT_EQ(record.size(), 8 + 4 + event.size() + 4);
  EXPECT_EQ(record[0], static_cast<char>(event.size()));
  EXPECT_EQ(record.substr(12, event.size()), event);
}

TEST(TensorBoard, StepsBeyondOneByteAreVarints) {
  const std::array<Scalar, 1> scalars{{{"loss", 0.5}}};
  const std::string record = tensorboard_record(0.0, 300, scalars);
  const std::string event(
      "\x09\x00\x00\x00\x00\x00\x00\x00\x00\x10\xAC\x02\x2A\x0D\x0A\x0B"
      "\x0A\x04loss\x15\x00\x00\x00\x3F",
      27);
  EXPECT_EQ(record.substr(12, record.size() - 16), event);
}

TEST(Histogram, CountsEveryValueOnce) {
  const Histogram histogram = make_histogram(std::array<float, 5>{0, 1, 2, 3, 3});
  EXPECT_EQ(histogram.limits.size(), 30U);
  EXPECT_EQ(histogram.limits.back(), 3);
  EXPECT_EQ(histogram.min, 0);
  EXPECT_EQ(histogram.max, 3);
  EXPECT_EQ(histogram.sum, 9);
  EXPECT_EQ(histogram.sum_of_squares, 23);
  EXPECT_EQ(histogram.counts.front(), 1);
  EXPECT_EQ(histogram.counts[10], 1);
  EXPECT_EQ(histogram.counts.back(), 2);
}

TEST(Histogram, TakesValuesThatAreAllTheSameAndNone) {
  const Histogram same = make_histogram(std::array<float, 3>{2, 2, 2});
  EXPECT_EQ(same.counts, std::vector<double>{3});
  EXPECT_EQ(same.limits, std::vector<double>{2});
  EXPECT_TRUE(make_histogram({}).counts.empty());
}

TEST(TensorBoard, ImagesTellTheirSize) {
  std::string png("\x89PNG\r\n\x1A\n....IHDR\0\0\1\2\0\0\0\3", 24);
  const std::string record = tensorboard_image(0, 1, "a", png);
  // Image{height: 3, width: 258, colorspace: 3, ...}
  EXPECT_NE(record.find(std::string("\x08\x03\x10\x82\x02\x18\x03", 7)), std::string::npos);
}

}  // namespace
}  // namespace jetcal::train
