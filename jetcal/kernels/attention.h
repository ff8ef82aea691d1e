// SPDX-License-Identifier: Apache-2.0
// Lets the particles of a jet attend to each other: softmax(q k / sqrt(u) + bias of the pair) v.
#pragma once

#include <cstdint>
#include <span>

#include "jetcal/kernels/pair_quantities.h"

namespace jetcal::kernels {

/// Sets the width of attention: `heads` of `units` channels each.
struct AttentionShape {
  std::int64_t heads = 1, units = 1;
  std::int64_t width() const noexcept { return heads * units; }
};

/// Names rows that lie `stride` floats apart.
template <typename T>
struct StridedRows {
  T* data = nullptr;
  std::int64_t stride = 0;
};

/// Computes y_i = sum_j p_ij v_j in every head, over the particles j of the same jet, i included.
///
/// p_ij is the softmax over j of q_i k_j / sqrt(units) + pair_weight . (pair quantities of i and
/// j). Shapes: qkv [P, 3 width] are the rows of q, k and v, each head by head; y [P, width];
/// pair_weight [heads, 4] in the order of pair_quantities.h. What depends on i alone falls out of
/// the softmax and is left out. A jet's result has the same bits in any batch, with any number of
/// threads. Uses parallel_for; thread-safe.
void attention_forward(const AttentionShape& shape, const PairQuantities& pairs,
                       StridedRows<const float> qkv, std::span<const float> pair_weight,
                       StridedRows<float> y);

/// Computes the gradients of attention_forward, overwriting; makes the probabilities again.
///
/// Shapes: grad_y [P, width], grad_qkv [P, 3 width], grad_pair_weight [heads, 4]. The gradient of
/// the pair weights is summed over fixed chunks of jets in their order. Promises as above.
void attention_backward(const AttentionShape& shape, const PairQuantities& pairs,
                        StridedRows<const float> qkv, std::span<const float> pair_weight,
                        StridedRows<const float> grad_y, StridedRows<float> grad_qkv,
                        std::span<float> grad_pair_weight);

}  // namespace jetcal::kernels
