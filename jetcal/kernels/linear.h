// SPDX-License-Identifier: Apache-2.0
// Applies a linear layer to rows, and its gradients.
#pragma once

#include <cstdint>
#include <span>

namespace jetcal::kernels {

/// Says what follows a linear layer in the same pass.
enum class Activation { None, Relu };

/// Computes y = activation(x weight^T + bias).
///
/// Shapes: x [R, in], weight [out, in], bias [out] or empty, y [R, out]; R follows from y. A row's
/// result has the same bits in any batch, at any place, with any number of threads. Uses
/// parallel_for; thread-safe.
void linear_forward(std::span<const float> x, std::span<const float> weight,
                    std::span<const float> bias, std::int64_t in, std::int64_t out,
                    std::span<float> y, Activation activation = Activation::None);

/// Computes grad_x = grad_y weight, overwriting. Shapes and promises as in linear_forward.
void linear_backward_input(std::span<const float> grad_y, std::span<const float> weight,
                           std::int64_t in, std::int64_t out, std::span<float> grad_x);

/// Computes grad_weight = grad_y^T x and grad_bias = column sums of grad_y, overwriting.
///
/// Shapes: x [R, in], grad_y [R, out], grad_weight [out, in], grad_bias [out] or empty. Fixed
/// blocks of rows are summed in a fixed order: the same bits with any number of threads. Uses
/// parallel_for; thread-safe.
void linear_backward_weights(std::span<const float> x, std::span<const float> grad_y,
                             std::int64_t in, std::int64_t out, std::span<float> grad_weight,
                             std::span<float> grad_bias);

}  // namespace jetcal::kernels
