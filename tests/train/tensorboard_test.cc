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

}  // namespace
}  // namespace jetcal::train
