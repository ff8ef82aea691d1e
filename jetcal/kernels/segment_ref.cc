// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/segment_kernels.h"

namespace jetcal::kernels::detail {
namespace {

void sum(const float* x, const std::int64_t* offsets, std::int64_t begin, std::int64_t end,
         std::int64_t channels, bool mean, float* y) {
  for (std::int64_t j = begin; j < end; ++j) {
    const std::int64_t rows = offsets[j + 1] - offsets[j];
    for (std::int64_t c = 0; c < channels; ++c) {
      double total = 0;
      for (std::int64_t p = offsets[j]; p < offsets[j + 1]; ++p) total += x[p * channels + c];
      if (mean && rows > 0) total /= static_cast<double>(rows);
      y[j * channels + c] = static_cast<float>(total);
    }
  }
}

void backward(const float* grad_y, const std::int64_t* offsets, std::int64_t begin,
              std::int64_t end, std::int64_t channels, bool mean, float* grad_x) {
  for (std::int64_t j = begin; j < end; ++j) {
    const std::int64_t rows = offsets[j + 1] - offsets[j];
    for (std::int64_t p = offsets[j]; p < offsets[j + 1]; ++p) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const float grad = grad_y[j * channels + c];
        grad_x[p * channels + c] = mean ? grad / static_cast<float>(rows) : grad;
      }
    }
  }
}

}  // namespace

const SegmentKernels kSegmentRef{sum, backward};

}  // namespace jetcal::kernels::detail
