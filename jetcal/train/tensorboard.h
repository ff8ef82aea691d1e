// SPDX-License-Identifier: Apache-2.0
// TensorBoard's event format: scalars, histograms, images and hyperparameters in TFRecords that
// hold Event messages, encoded by hand.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

/// Counts values in buckets of equal width.
struct Histogram {
  double min = 0, max = 0, sum = 0, sum_of_squares = 0;
  std::vector<double> limits;  ///< Upper ends of the buckets; the last is `max`.
  std::vector<double> counts;
};
/// Fills 30 buckets, one where all values are the same, none without values.
Histogram make_histogram(std::span<const float> values);

/// Returns one record with all histograms at `step`.
std::string tensorboard_histograms(double wall_time, std::int64_t step,
                                   std::span<const std::pair<std::string, Histogram>> histograms);

/// Returns one record with the image of a PNG file.
std::string tensorboard_image(double wall_time, std::int64_t step, std::string_view tag,
                              std::string_view png);

/// Returns the records from which the tab HParams knows the run: hyperparameters (a JSON object of
/// scalars) and the tags of the scalars that judge them.
std::string tensorboard_hyperparameters(double wall_time, const nlohmann::json& values,
                                        std::span<const std::string_view> metrics);
/// Returns the record that says there that the run has ended well.
std::string tensorboard_success(double wall_time);

}  // namespace jetcal::train
