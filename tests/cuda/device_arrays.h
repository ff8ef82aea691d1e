// SPDX-License-Identifier: Apache-2.0
// Moves vectors to the device and back, padded where the kernels want it.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "jetcal/base/random.h"
#include "jetcal/cuda/detail/device_batch.h"
#include "jetcal/cuda/detail/edge.h"
#include "jetcal/cuda/detail/graph.h"
#include "jetcal/cuda/detail/norm.h"
#include "jetcal/cuda/detail/rows.h"

namespace jetcal::cuda::detail {

using Floats = std::vector<float>;

inline Floats random_floats(std::int64_t size, std::uint64_t seed) {
  Rng rng(seed);
  Floats values(static_cast<std::size_t>(size));
  for (float& value : values) value = static_cast<float>(rng.normal());
  return values;
}

template <typename T>
Buffer<T> to_device(Queue& queue, const std::vector<T>& values) {
  Buffer<T> buffer;
  upload(queue, std::span<const T>(values), buffer);
  queue.synchronize();
  return buffer;
}

template <typename T>
std::vector<T> to_host(Queue& queue, const T* from, std::int64_t size) {
  std::vector<T> values(static_cast<std::size_t>(size));
  queue.copy_to_host(values.data(), from, values.size() * sizeof(T));
  queue.synchronize();
  return values;
}

/// Rows of `width` become rows of padded(width), zeros behind.
inline Floats pad_rows(const Floats& x, std::int64_t width) {
  const std::int64_t rows = std::ssize(x) / width;
  const std::int64_t pitch = padded(width);
  Floats wide(static_cast<std::size_t>(rows * pitch), 0.0F);
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(x.begin() + row * width, width, wide.begin() + row * pitch);
  }
  return wide;
}

inline Floats cut_rows(const Floats& wide, std::int64_t width) {
  const std::int64_t pitch = padded(width);
  const std::int64_t rows = std::ssize(wide) / pitch;
  Floats x(static_cast<std::size_t>(rows * width));
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(wide.begin() + row * pitch, width, x.begin() + row * width);
  }
  return x;
}

/// Jets of given sizes with their lists on the device.
struct DeviceJets {
  DeviceJets(Queue& queue, const std::vector<std::int64_t>& sizes, std::int64_t k) {
    std::vector<std::int64_t> starts{0};
    offsets = {0};
    for (const std::int64_t n : sizes) {
      offsets.push_back(offsets.back() + n);
      starts.push_back(starts.back() + (n > 0 ? n * std::min(k, n - 1) : 0));
    }
    upload(queue, std::span<const std::int64_t>(offsets), device_offsets);
    upload(queue, std::span<const std::int64_t>(starts), device_starts);
    queue.synchronize();
    rows = {std::ssize(sizes),     offsets.back(),      starts.back(), k,
            device_offsets.data(), device_starts.data()};
    lists = {jet_of.reserve(rows.num_particles), edge_offsets.reserve(rows.num_particles + 1),
             sources.reserve(rows.num_edges)};
    list_edges(queue, rows, lists);
  }
  /// Finds the neighbours and lists them backwards.
  EdgeLists edges(Queue& queue, const float* x, std::int64_t dimensions, std::int64_t stride) {
    find_neighbors(queue, rows, x, dimensions, stride, targets.reserve(rows.num_edges),
                   work.reserve(rows.num_edges));
    reverse_edges(queue, rows, targets.data(), reverse_offsets.reserve(rows.num_particles + 1),
                  reverse_rows.reserve(rows.num_edges));
    return {rows.num_particles, rows.num_edges,         lists.edge_offsets, lists.sources,
            targets.data(),     reverse_offsets.data(), reverse_rows.data()};
  }

  std::vector<std::int64_t> offsets;
  JetRows rows;
  EdgeRows lists;
  Buffer<std::int64_t> device_offsets, device_starts, edge_offsets, reverse_offsets;
  Buffer<std::int32_t> jet_of, sources, targets, work, reverse_rows;
};

/// Arrays of one normalisation with its parameters and statistics.
struct DeviceNorm {
  DeviceNorm(Queue& queue, const Floats& gamma_values, const Floats& beta_values,
             const Floats& mean_values, const Floats& variance_values)
      : channels(padded(std::ssize(gamma_values))), storage(6 * channels) {
    gamma = to_device(queue, gamma_values);
    beta = to_device(queue, beta_values);
    running_mean = to_device(queue, mean_values);
    running_variance = to_device(queue, variance_values);
    float* const at = storage.data();
    arrays = {channels,          at,
              at + channels,     at + 2 * channels,
              at + 3 * channels, at + 4 * channels,
              at + 5 * channels};
    source = {std::ssize(gamma_values), gamma.data(), beta.data(), running_mean.data(),
              running_variance.data()};
  }
  std::int64_t channels;
  Buffer<float> storage, gamma, beta, running_mean, running_variance;
  NormArrays arrays;
  NormSource source;
};

}  // namespace jetcal::cuda::detail
