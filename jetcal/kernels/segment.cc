// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/segment.h"

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/segment_kernels.h"

namespace jetcal::kernels {
namespace {

using Offsets = std::span<const std::int64_t>;

const detail::SegmentKernels& variant() {
  return detail::pick(kernel_isa(), detail::kSegmentRef, detail::kSegmentAvx2,
                      detail::kSegmentAvx512);
}

// Checks the shapes and calls body(begin, end) for ranges of segments.
template <typename Body>
void for_segments(std::size_t rows_size, std::size_t segments_size, Offsets offsets,
                  std::int64_t channels, Body body) {
  JETCAL_DCHECK(!offsets.empty() && offsets.front() == 0 &&
                std::is_sorted(offsets.begin(), offsets.end()));
  const auto num_segments = static_cast<std::int64_t>(offsets.size()) - 1;
  JETCAL_DCHECK(static_cast<std::int64_t>(rows_size) == offsets.back() * channels);
  JETCAL_DCHECK(static_cast<std::int64_t>(segments_size) == num_segments * channels);
  static_cast<void>(rows_size);
  static_cast<void>(segments_size);
  if (num_segments == 0 || channels == 0) return;
  const std::int64_t mean_rows = 1 + offsets.back() / num_segments;
  parallel_for(num_segments, detail::row_grain(mean_rows * channels), body);
}

void pool(std::span<const float> x, Offsets offsets, std::int64_t channels, bool mean,
          std::span<float> y) {
  const auto& kernels = variant();
  for_segments(x.size(), y.size(), offsets, channels, [&](std::int64_t begin, std::int64_t end) {
    kernels.sum(x.data(), offsets.data(), begin, end, channels, mean, y.data());
  });
}

void spread(std::span<const float> grad_y, Offsets offsets, std::int64_t channels, bool mean,
            std::span<float> grad_x) {
  const auto& kernels = variant();
  for_segments(
      grad_x.size(), grad_y.size(), offsets, channels, [&](std::int64_t begin, std::int64_t end) {
        kernels.backward(grad_y.data(), offsets.data(), begin, end, channels, mean, grad_x.data());
      });
}

}  // namespace

void segment_sum(std::span<const float> x, Offsets offsets, std::int64_t channels,
                 std::span<float> y) {
  pool(x, offsets, channels, /*mean=*/false, y);
}

void segment_sum_backward(std::span<const float> grad_y, Offsets offsets, std::int64_t channels,
                          std::span<float> grad_x) {
  spread(grad_y, offsets, channels, /*mean=*/false, grad_x);
}

void segment_mean(std::span<const float> x, Offsets offsets, std::int64_t channels,
                  std::span<float> y) {
  pool(x, offsets, channels, /*mean=*/true, y);
}

void segment_mean_backward(std::span<const float> grad_y, Offsets offsets, std::int64_t channels,
                           std::span<float> grad_x) {
  spread(grad_y, offsets, channels, /*mean=*/true, grad_x);
}

}  // namespace jetcal::kernels
