// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/column_kernels.h"

namespace jetcal::kernels::detail {
namespace {

float normalised(float x, float mean, float scale, float beta) {
  return static_cast<float>((static_cast<double>(x) - mean) * scale + beta);
}

void sums(const float* x, std::int64_t rows, std::int64_t channels, double* sum) {
  for (std::int64_t c = 0; c < channels; ++c) {
    double total = 0;
    for (std::int64_t r = 0; r < rows; ++r) total += x[r * channels + c];
    sum[c] = total;
  }
}

void moments(const float* x, std::int64_t rows, std::int64_t channels, const float* shift,
             double* sum, double* squares) {
  for (std::int64_t c = 0; c < channels; ++c) {
    double total = 0;
    double square = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const double shifted = static_cast<double>(x[r * channels + c]) - shift[c];
      total += shifted;
      square += shifted * shifted;
    }
    sum[c] = total;
    squares[c] = square;
  }
}

void normalise(const float* x, std::int64_t rows, std::int64_t channels, const float* mean,
               const float* scale, const float* beta, bool relu, float* y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float value = normalised(x[r * channels + c], mean[c], scale[c], beta[c]);
      y[r * channels + c] = relu && value < 0 ? 0 : value;
    }
  }
}

float passed(float x, float grad, float mean, float scale, float beta, bool relu) {
  return relu && normalised(x, mean, scale, beta) <= 0 ? 0 : grad;
}

void backward_sums(const float* x, const float* grad_y, std::int64_t rows, std::int64_t channels,
                   const float* mean, const float* scale, const float* beta, bool relu, double* sum,
                   double* weighted) {
  for (std::int64_t c = 0; c < channels; ++c) {
    double total = 0;
    double with_x = 0;
    for (std::int64_t i = c; i < rows * channels; i += channels) {
      const double grad = passed(x[i], grad_y[i], mean[c], scale[c], beta[c], relu);
      total += grad;
      with_x += grad * (static_cast<double>(x[i]) - mean[c]);
    }
    sum[c] = total;
    weighted[c] = with_x;
  }
}

void backward_apply(const float* x, const float* grad_y, std::int64_t rows, std::int64_t channels,
                    const float* mean, const float* scale, const float* beta, bool relu,
                    const float* offset, const float* slope, float* grad_x) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t i = r * channels + c;
      const double grad = passed(x[i], grad_y[i], mean[c], scale[c], beta[c], relu);
      const double centered = static_cast<double>(x[i]) - mean[c];
      grad_x[i] = static_cast<float>(scale[c] * grad - offset[c] - slope[c] * centered);
    }
  }
}

}  // namespace

const ColumnKernels kColumnRef{sums, moments, normalise, backward_sums, backward_apply};

}  // namespace jetcal::kernels::detail
