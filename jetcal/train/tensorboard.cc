// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/tensorboard.h"

#include <algorithm>
#include <array>
#include <bit>
#include <nlohmann/json.hpp>

#include "jetcal/train/detail/protobuf_writer.h"

namespace jetcal::train {

using detail::append_raw;
using detail::Message;

namespace {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
    table[i] = crc;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

// TFRecord masks its checksums so that a record inside a record does not look like one.
std::uint32_t masked_crc(std::string_view bytes) noexcept {
  return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U;
}

// The fields that every tensorflow.Event starts with.
Message event_start(double wall_time, std::int64_t step) {
  Message event;
  event.real(1, wall_time).whole(2, static_cast<std::uint64_t>(step));
  return event;
}

std::string tf_record(std::string_view data) {
  std::string length;
  append_raw(length, static_cast<std::uint64_t>(data.size()));
  std::string record = length;
  append_raw(record, masked_crc(length));
  record += data;
  append_raw(record, masked_crc(data));
  return record;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) noexcept {
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFFU];
  }
  return ~crc;
}

std::string tensorboard_header(double wall_time) {
  return tf_record(event_start(wall_time, 0).text(3, "brain.Event:2").bytes());
}

std::string tensorboard_record(double wall_time, std::int64_t step,
                               std::span<const Scalar> scalars) {
  Message summary;
  for (const Scalar& scalar : scalars) {
    summary.message(1, Message().text(1, scalar.tag).single(2, static_cast<float>(scalar.value)));
  }
  return tf_record(event_start(wall_time, step).message(5, summary).bytes());
}

Histogram make_histogram(std::span<const float> values) {
  constexpr std::size_t kBuckets = 30;  // as TensorBoard's own
  Histogram histogram;
  if (values.empty()) return histogram;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  histogram.min = *low;
  histogram.max = *high;
  const double width = (histogram.max - histogram.min) / kBuckets;
  const std::size_t buckets = width > 0 ? kBuckets : 1;
  histogram.counts.assign(buckets, 0);
  for (std::size_t i = 1; i < buckets; ++i)
    histogram.limits.push_back(histogram.min + static_cast<double>(i) * width);
  histogram.limits.push_back(histogram.max);
  for (const double value : values) {
    const double place = width > 0 ? (value - histogram.min) / width : 0;
    ++histogram.counts[std::min(static_cast<std::size_t>(place), buckets - 1)];
    histogram.sum += value;
    histogram.sum_of_squares += value * value;
  }
  return histogram;
}

std::string tensorboard_histograms(double wall_time, std::int64_t step,
                                   std::span<const std::pair<std::string, Histogram>> histograms) {
  Message summary;
  for (const auto& [tag, histogram] : histograms) {
    double count = 0;
    for (const double bucket : histogram.counts) count += bucket;
    Message content;
    content.real(1, histogram.min).real(2, histogram.max).real(3, count).real(4, histogram.sum);
    content.real(5, histogram.sum_of_squares).reals(6, histogram.limits);
    content.reals(7, histogram.counts);
    summary.message(1, Message().text(1, tag).message(5, content));
  }
  return tf_record(event_start(wall_time, step).message(5, summary).bytes());
}

std::string tensorboard_image(double wall_time, std::int64_t step, std::string_view tag,
                              std::string_view png) {
  // A PNG file has its width and height, most significant byte first, at bytes 16 and 20.
  constexpr std::size_t kWidthAt = 16, kHeightAt = 20, kNumberEnd = 24;
  const auto number = [png](std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 4 && png.size() >= kNumberEnd; ++i)
      value = value << 8 | static_cast<unsigned char>(png[at + i]);
    return value;
  };
  constexpr std::uint64_t kRgb = 3;
  Message image;
  image.whole(1, number(kHeightAt)).whole(2, number(kWidthAt)).whole(3, kRgb).text(4, png);
  const Message summary = Message().message(1, Message().text(1, tag).message(4, image));
  return tf_record(event_start(wall_time, step).message(5, summary).bytes());
}

namespace {

// google.protobuf.Value of a JSON scalar; lists become their text.
Message plugin_value(const nlohmann::json& value) {
  if (value.is_boolean()) return Message().whole(4, value.get<bool>() ? 1 : 0);
  if (value.is_number()) return Message().real(2, value.get<double>());
  return Message().text(3, value.is_string() ? value.get<std::string>() : value.dump());
}

std::uint64_t plugin_type(const nlohmann::json& value) {
  constexpr std::uint64_t kString = 1, kBool = 2, kFloat64 = 3;
  if (value.is_boolean()) return kBool;
  return value.is_number() ? kFloat64 : kString;
}

std::string plugin_record(double wall_time, const char* tag, const Message& data) {
  const Message plugin = Message().text(1, "hparams").text(2, data.bytes());
  constexpr std::uint64_t kFloat = 1;
  const Message no_values = Message().whole(1, kFloat).message(
      2, Message().message(2, Message().whole(1, 0)));  // an empty tensor of shape [0]
  Message value;
  value.text(1, tag).message(8, no_values).message(9, Message().message(1, plugin));
  return tf_record(event_start(wall_time, 0).message(5, Message().message(1, value)).bytes());
}

}  // namespace

std::string tensorboard_hyperparameters(double wall_time, const nlohmann::json& values,
                                        std::span<const std::string_view> metrics) {
  Message experiment;
  experiment.real(3, wall_time);
  Message session;
  for (const auto& [name, value] : values.items()) {
    experiment.message(4, Message().text(1, name).whole(4, plugin_type(value)));
    session.message(1, Message().text(1, name).message(2, plugin_value(value)));
  }
  for (const std::string_view metric : metrics)
    experiment.message(5, Message().message(1, Message().text(2, metric)));
  session.real(5, wall_time);
  return plugin_record(wall_time, "_hparams_/experiment", Message().message(2, experiment)) +
         plugin_record(wall_time, "_hparams_/session_start_info", Message().message(3, session));
}

std::string tensorboard_success(double wall_time) {
  constexpr std::uint64_t kSuccess = 1;
  const Message end = Message().whole(1, kSuccess).real(2, wall_time);
  return plugin_record(wall_time, "_hparams_/session_end_info", Message().message(4, end));
}

}  // namespace jetcal::train
