// SPDX-License-Identifier: Apache-2.0
// Finds the numbers of a layer in the flat buffers of parameters, gradients or running statistics.
#pragma once

#include <span>
#include <vector>

#include "jetcal/models/detail/network_plan.h"

namespace jetcal::models::detail {

/// T is float or const float; an absent bias gives an empty span.
template <typename T>
std::span<T> weight_of(std::span<T> values, const LinearSlot& slot) {
  return values.subspan(static_cast<std::size_t>(slot.weight),
                        static_cast<std::size_t>(slot.in * slot.out));
}
template <typename T>
std::span<T> bias_of(std::span<T> values, const LinearSlot& slot) {
  if (slot.bias < 0) return {};
  return values.subspan(static_cast<std::size_t>(slot.bias), static_cast<std::size_t>(slot.out));
}
template <typename T>
std::span<T> channels_of(std::span<T> values, std::int64_t offset, std::int64_t channels) {
  return values.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(channels));
}

/// Sizes a reusable buffer and returns it as rows * channels elements; its content is unspecified.
inline std::span<float> rows_in(std::vector<float>& storage, std::int64_t rows,
                                std::int64_t channels) {
  const auto size = static_cast<std::size_t>(rows * channels);
  if (storage.size() < size) storage.resize(size);
  return std::span(storage).first(size);
}

}  // namespace jetcal::models::detail
