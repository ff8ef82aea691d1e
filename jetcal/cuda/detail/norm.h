// SPDX-License-Identifier: Apache-2.0
// Batch normalisation on the device, as kernels/batch_norm.h defines it; sums run in double.
#pragma once

#include <cstdint>

#include "jetcal/cuda/detail/element.h"
#include "jetcal/cuda/detail/queue.h"

namespace jetcal::cuda::detail {

/// Holds what a normalisation of `channels` (padded) columns needs: y = (z - mean) scale + shift.
/// offset and slope belong to backward. Arrays of the device, `channels` each.
struct NormArrays {
  std::int64_t channels = 0;
  float* mean = nullptr;
  float* inverse_deviation = nullptr;
  float* scale = nullptr;
  float* shift = nullptr;
  float* offset = nullptr;
  float* slope = nullptr;
};

/// Parameters and running statistics of the `channels` real columns, in flat device arrays.
struct NormSource {
  std::int64_t channels = 0;
  const float* gamma = nullptr;
  const float* beta = nullptr;
  float* running_mean = nullptr;
  float* running_variance = nullptr;
};

/// The gradient of a matrix of edges: given row by row, or as the gradient of the particles' means
/// (then `mean` of edge e is particles[sources[e]] / its number of edges).
template <typename T>
struct EdgeGradient {
  const T* rows = nullptr;
  const float* particles = nullptr;
  const std::int32_t* sources = nullptr;
  const std::int64_t* edge_offsets = nullptr;
};

/// Sums of z and z^2 into parts.
template <typename T>
void norm_moments(Queue& queue, const T* z, std::int64_t rows, std::int64_t channels,
                  double* parts);

/// Turns parts of norm_moments (or edge_add) into the arrays and moves the running statistics.
void norm_finish(Queue& queue, const double* parts, std::int64_t rows, const NormSource& source,
                 const NormArrays& norm);

/// y = (z - mean) scale + shift, relu if asked. y may be z where the types agree.
template <typename In, typename Out>
void normalise(Queue& queue, const In* z, std::int64_t rows, const NormArrays& norm, bool relu,
               Out* y);

/// Sums of g and g (z - mean) into parts; g is the gradient where relu let y through.
template <typename T>
void norm_backward_sums(Queue& queue, const T* z, const EdgeGradient<T>& gradient,
                        std::int64_t rows, const NormArrays& norm, bool relu, double* parts);

/// Turns them into offset and slope, and writes the gradients of the real columns' parameters.
void norm_backward_finish(Queue& queue, const double* parts, std::int64_t rows,
                          std::int64_t real_channels, const NormArrays& norm, float* grad_gamma,
                          float* grad_beta);

/// grad_z = scale g - offset - slope (z - mean). grad_z may be gradient.rows.
template <typename T>
void norm_backward_apply(Queue& queue, const T* z, const EdgeGradient<T>& gradient,
                         std::int64_t rows, const NormArrays& norm, bool relu, T* grad_z);

}  // namespace jetcal::cuda::detail
