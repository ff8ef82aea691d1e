// SPDX-License-Identifier: Apache-2.0
// The vector variant of the column kernels, for any width.
#pragma once

#include "jetcal/kernels/detail/column_kernels.h"
#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

/// Calls body(column, count) for groups of columns, count = kLanes but for the last one.
template <typename Body>
void for_column_groups(std::int64_t channels, Body body) {
  std::int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) body(c, kLanes);
  if (c < channels) body(c, channels - c);
}

inline Lanes load_some(const float* p, std::int64_t count) {
  return count == kLanes ? load(p) : load(p, first_lanes(count));
}

inline void store_some(double* p, std::int64_t count, Doubles x) {
  double all[kLanes];
  store(all, x);
  for (std::int64_t i = 0; i < count; ++i) p[i] = all[i];
}

/// Calls body(row of x, load) for every row; load reads the group's columns there.
template <typename Body>
void for_rows(const float* x, std::int64_t rows, std::int64_t channels, std::int64_t count,
              Body body) {
  if (count == kLanes) {
    for (std::int64_t i = 0; i < rows * channels; i += channels) body(i, load(x + i));
    return;
  }
  const Mask mask = first_lanes(count);
  for (std::int64_t i = 0; i < rows * channels; i += channels) body(i, load(x + i, mask));
}

inline void column_sums(const float* x, std::int64_t rows, std::int64_t channels, double* sum) {
  for_column_groups(channels, [=](std::int64_t c, std::int64_t count) {
    // Two rows at a time: one chain of additions would wait for its own latency.
    Doubles even = zero_doubles();
    Doubles odd = zero_doubles();
    const std::int64_t pairs = rows / 2;
    for_rows(x + c, pairs, 2 * channels, count, [&](std::int64_t i, Lanes row) {
      even = add(even, to_doubles(row));
      odd = add(odd, to_doubles(load_some(x + c + i + channels, count)));
    });
    for_rows(x + c + 2 * pairs * channels, rows - 2 * pairs, channels, count,
             [&](std::int64_t, Lanes row) { even = add(even, to_doubles(row)); });
    store_some(sum + c, count, add(even, odd));
  });
}

inline void column_moments(const float* x, std::int64_t rows, std::int64_t channels,
                           const float* shift, double* sum, double* squares) {
  for_column_groups(channels, [=](std::int64_t c, std::int64_t count) {
    const Doubles origin = to_doubles(load_some(shift + c, count));
    Doubles total = zero_doubles();
    Doubles square = zero_doubles();
    for_rows(x + c, rows, channels, count, [&](std::int64_t, Lanes row) {
      const Doubles shifted = subtract(to_doubles(row), origin);
      total = add(total, shifted);
      square = fma(shifted, shifted, square);
    });
    store_some(sum + c, count, total);
    store_some(squares + c, count, square);
  });
}

/// Holds the parameters of a group of columns; forward and backward compute y by the same steps, so
/// that they agree on its sign.
struct ColumnGroup {
  Lanes mean, scale, beta;
};

inline ColumnGroup load_group(const float* mean, const float* scale, const float* beta,
                              std::int64_t count) {
  return {load_some(mean, count), load_some(scale, count), load_some(beta, count)};
}

inline Lanes normalised(const ColumnGroup& group, Lanes x) {
  return fma(subtract(x, group.mean), group.scale, group.beta);
}

inline void column_normalise(const float* x, std::int64_t rows, std::int64_t channels,
                             const float* mean, const float* scale, const float* beta, bool relu_y,
                             float* y) {
  for_column_groups(channels, [=](std::int64_t c, std::int64_t count) {
    const ColumnGroup group = load_group(mean + c, scale + c, beta + c, count);
    const Mask mask = first_lanes(count);
    for_rows(x + c, rows, channels, count, [&](std::int64_t i, Lanes row) {
      Lanes value = normalised(group, row);
      if (relu_y) value = relu(value);
      if (count == kLanes) {
        store(y + c + i, value);
      } else {
        store(y + c + i, mask, value);
      }
    });
  });
}

inline void column_backward_sums(const float* x, const float* grad_y, std::int64_t rows,
                                 std::int64_t channels, const float* mean, const float* scale,
                                 const float* beta, bool relu_y, double* sum, double* weighted) {
  for_column_groups(channels, [=](std::int64_t c, std::int64_t count) {
    const ColumnGroup group = load_group(mean + c, scale + c, beta + c, count);
    const Doubles origin = to_doubles(group.mean);
    Doubles total = zero_doubles();
    Doubles with_x = zero_doubles();
    for_rows(x + c, rows, channels, count, [&](std::int64_t i, Lanes row) {
      Lanes grad = load_some(grad_y + c + i, count);
      if (relu_y) grad = relu_gradient(normalised(group, row), grad);
      const Doubles wide = to_doubles(grad);
      total = add(total, wide);
      with_x = fma(wide, subtract(to_doubles(row), origin), with_x);
    });
    store_some(sum + c, count, total);
    store_some(weighted + c, count, with_x);
  });
}

inline void column_backward_apply(const float* x, const float* grad_y, std::int64_t rows,
                                  std::int64_t channels, const float* mean, const float* scale,
                                  const float* beta, bool relu_y, const float* offset,
                                  const float* slope, float* grad_x) {
  for_column_groups(channels, [=](std::int64_t c, std::int64_t count) {
    const ColumnGroup group = load_group(mean + c, scale + c, beta + c, count);
    const Lanes shift = load_some(offset + c, count);
    const Lanes factor = load_some(slope + c, count);
    const Mask mask = first_lanes(count);
    for_rows(x + c, rows, channels, count, [&](std::int64_t i, Lanes row) {
      Lanes grad = load_some(grad_y + c + i, count);
      if (relu_y) grad = relu_gradient(normalised(group, row), grad);
      const Lanes centered = subtract(row, group.mean);
      const Lanes steady = fma(group.scale, grad, subtract(zero(), shift));
      const Lanes result = minus_product(factor, centered, steady);
      if (count == kLanes) {
        store(grad_x + c + i, result);
      } else {
        store(grad_x + c + i, mask, result);
      }
    });
  });
}

}  // namespace
}  // namespace jetcal::kernels::detail
