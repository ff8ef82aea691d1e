// SPDX-License-Identifier: Apache-2.0
// Scalars in TensorBoard's event format: TFRecords that hold Event messages, encoded by hand.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace jetcal::train {

/// One point of one curve.
struct Scalar {
  std::string_view tag;
  double value = 0;
};

/// Computes the CRC-32C (Castagnoli) of bytes.
std::uint32_t crc32c(std::string_view bytes) noexcept;

/// Returns the record that every event file starts with.
std::string tensorboard_header(double wall_time);

/// Returns one record with the values of all scalars at `step`.
std::string tensorboard_record(double wall_time, std::int64_t step,
                               std::span<const Scalar> scalars);

}  // namespace jetcal::train
