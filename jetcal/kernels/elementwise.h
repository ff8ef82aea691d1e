// SPDX-License-Identifier: Apache-2.0
// Changes every element on its own: activations, sums, dropout, standardisation.
#pragma once

#include <cstdint>
#include <span>

namespace jetcal::kernels {

// All use parallel_for and are thread-safe; the results do not depend on the number of threads.

/// Replaces what is below zero by zero, in place; NaN stays NaN.
void relu_forward(std::span<float> x);

/// Zeroes the gradient, in place, where relu's output y is zero (or below).
void relu_backward(std::span<const float> y, std::span<float> grad);

/// Adds x to y, in place.
void add(std::span<const float> x, std::span<float> y);

/// Zeroes each element with probability `rate` (0 <= rate < 1) and divides the others by 1 - rate,
/// in place. Element i is dropped or kept by a hash of (seed, i), so backward is the same call on
/// the gradient. Rate 0 changes nothing. `first` is the number of x's first element.
void dropout(std::span<float> x, float rate, std::uint64_t seed, std::uint64_t first = 0);

/// Computes y = (x - mean) / deviation for every column. Shapes: x, y [R, C]; mean, deviation [C].
/// y may be x.
void standardise(std::span<const float> x, std::int64_t channels, std::span<const float> mean,
                 std::span<const float> deviation, std::span<float> y);

}  // namespace jetcal::kernels
