// SPDX-License-Identifier: Apache-2.0
// The variants behind batch_norm.h and the bias gradient: raw pointers, consecutive rows.
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

struct ColumnKernels {
  /// sum_c = sum of x over rows.
  void (*sums)(const float* x, std::int64_t rows, std::int64_t channels, double* sum);
  /// sum_c and squares_c: sums of x - shift and of its square over rows.
  void (*moments)(const float* x, std::int64_t rows, std::int64_t channels, const float* shift,
                  double* sum, double* squares);
  /// y = (x - mean) scale + beta, then relu if asked.
  void (*normalise)(const float* x, std::int64_t rows, std::int64_t channels, const float* mean,
                    const float* scale, const float* beta, bool relu, float* y);
  /// sum_c and weighted_c: sums of g and of g (x - mean) over rows, g = grad_y where relu let y
  /// through.
  void (*backward_sums)(const float* x, const float* grad_y, std::int64_t rows,
                        std::int64_t channels, const float* mean, const float* scale,
                        const float* beta, bool relu, double* sum, double* weighted);
  /// grad_x = scale g - offset - slope (x - mean), g as above.
  void (*backward_apply)(const float* x, const float* grad_y, std::int64_t rows,
                         std::int64_t channels, const float* mean, const float* scale,
                         const float* beta, bool relu, const float* offset, const float* slope,
                         float* grad_x);
};

extern const ColumnKernels kColumnRef, kColumnAvx2, kColumnAvx512;

}  // namespace jetcal::kernels::detail
