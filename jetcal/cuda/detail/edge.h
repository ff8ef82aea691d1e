// SPDX-License-Identifier: Apache-2.0
// The operations on edges: the first layer factored per particle, the mean over neighbours, and
// their gradients.
#pragma once

#include <cstdint>

#include "jetcal/cuda/detail/norm.h"
#include "jetcal/cuda/detail/queue.h"

namespace jetcal::cuda::detail {

/// The edges of one block; arrays of the device.
struct EdgeLists {
  std::int64_t num_particles = 0, num_edges = 0;
  const std::int64_t* edge_offsets = nullptr;     ///< [P + 1]
  const std::int32_t* sources = nullptr;          ///< [E]
  const std::int32_t* targets = nullptr;          ///< [E]
  const std::int64_t* reverse_offsets = nullptr;  ///< [P + 1]; backward only.
  const std::int32_t* reverse_edges = nullptr;    ///< [E]; backward only.
};

/// z_e = center_i + neighbor_j from products [P, 2 C], center first; and the sums of z and z^2 into
/// parts, as norm_moments.
template <typename T>
void edge_add_moments(Queue& queue, const float* products, const EdgeLists& edges,
                      std::int64_t channels, T* z, double* parts);

/// z_e = relu(center_i + neighbor_j + bias), for inference. bias: [C].
template <typename T>
void edge_add_relu(Queue& queue, const float* products, const EdgeLists& edges,
                   std::int64_t channels, const float* bias, T* z);

/// Gradient of the products [P, 2 C] from that of z: sums over the edges of i and over those that
/// point at j, ascending.
template <typename T>
void edge_add_backward(Queue& queue, const T* grad_z, const EdgeLists& edges, std::int64_t channels,
                       float* grad_products);

/// y_i = relu(mean over the edges of relu((z - mean) scale + shift) + shortcut_i), the shortcut
/// normalised by `shortcut_norm` unless that is empty. shortcut and y: [P, C].
template <typename T>
void edge_mean(Queue& queue, const T* z, const EdgeLists& edges, const NormArrays& norm,
               const float* shortcut, const NormArrays& shortcut_norm, float* y);

}  // namespace jetcal::cuda::detail
