// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/edge_kernels.h"

namespace jetcal::kernels::detail {
namespace {

void add(const float* center, const float* neighbor, const std::int64_t* offsets,
         const std::int32_t* targets, std::int64_t begin, std::int64_t end, std::int64_t channels,
         bool relu, float* z) {
  for (std::int64_t i = begin; i < end; ++i) {
    for (std::int64_t e = offsets[i]; e < offsets[i + 1]; ++e) {
      const float* other = neighbor + targets[e] * channels;
      for (std::int64_t c = 0; c < channels; ++c) {
        const float value = center[i * channels + c] + other[c];
        z[e * channels + c] = relu && value < 0 ? 0 : value;
      }
    }
  }
}

void gather_sum(const float* x, const std::int64_t* offsets, const std::int64_t* edges,
                std::int64_t begin, std::int64_t end, std::int64_t channels, float* y) {
  for (std::int64_t j = begin; j < end; ++j) {
    for (std::int64_t c = 0; c < channels; ++c) {
      double total = 0;
      for (std::int64_t r = offsets[j]; r < offsets[j + 1]; ++r)
        total += x[edges[r] * channels + c];
      y[j * channels + c] = static_cast<float>(total);
    }
  }
}

}  // namespace

const EdgeKernels kEdgeRef{add, gather_sum};

}  // namespace jetcal::kernels::detail
