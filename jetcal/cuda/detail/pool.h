// SPDX-License-Identifier: Apache-2.0
// From particles to jets and back on the device, and the inputs of a batch.
#pragma once

#include <cstdint>

#include "jetcal/cuda/detail/queue.h"

namespace jetcal::cuda::detail {

/// Places a block of columns in wider rows.
struct Columns {
  std::int64_t width = 0;  ///< Of the block; a multiple of 4.
  std::int64_t pitch = 0;  ///< From row to row; a multiple of 4.
};

/// y_j = sum or mean of the rows of jet j; zeros for an empty one. x: [P, width], y: [J, pitch].
template <typename T>
void pool_jets(Queue& queue, const T* x, const std::int64_t* offsets, std::int64_t num_jets,
               const Columns& columns, bool mean, float* y);

/// grad_x_p = grad_y of p's jet, shared equally if `mean`. grad_x: [P, width].
template <typename T>
void spread_to_particles(Queue& queue, const float* grad_y, const std::int64_t* offsets,
                         const std::int32_t* jet_of, std::int64_t num_particles,
                         const Columns& columns, bool mean, T* grad_x);

/// Writes jet_of [P] for every particle, where no list of edges is made.
void list_particles(Queue& queue, const std::int64_t* offsets, std::int64_t num_jets,
                    std::int32_t* jet_of);

/// Copies x [rows, channels] into rows `pitch` apart, standardised by mean and deviation unless
/// those are null; columns from `channels` to `filled` get zeros.
void place_features(Queue& queue, const float* x, std::int64_t rows, std::int64_t channels,
                    const float* mean, const float* deviation, std::int64_t filled,
                    std::int64_t pitch, float* y);

}  // namespace jetcal::cuda::detail
