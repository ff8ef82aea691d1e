// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/elementwise.h"

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/elementwise_kernels.h"

namespace jetcal::kernels {
namespace {

const detail::ElementwiseKernels& variant() {
  return detail::pick(kernel_isa(), detail::kElementwiseRef, detail::kElementwiseAvx2,
                      detail::kElementwiseAvx512);
}

constexpr std::int64_t kGrain = detail::row_grain(1);

}  // namespace

void relu_forward(std::span<float> x) {
  const auto& kernels = variant();
  parallel_for(std::ssize(x), kGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.relu(x.data() + begin, end - begin);
  });
}

void relu_backward(std::span<const float> y, std::span<float> grad) {
  JETCAL_DCHECK(y.size() == grad.size());
  const auto& kernels = variant();
  parallel_for(std::ssize(y), kGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.relu_backward(y.data() + begin, grad.data() + begin, end - begin);
  });
}

void add(std::span<const float> x, std::span<float> y) {
  JETCAL_DCHECK(x.size() == y.size());
  const auto& kernels = variant();
  parallel_for(std::ssize(x), kGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.add(x.data() + begin, y.data() + begin, end - begin);
  });
}

void dropout(std::span<float> x, float rate, std::uint64_t seed, std::uint64_t first) {
  JETCAL_DCHECK(rate >= 0 && rate < 1);
  if (!(rate > 0)) return;
  const float scale = 1 / (1 - rate);
  // The hash gives 32 bits; a rate is a float below one, so the product is within a half of exact.
  const auto threshold = static_cast<std::uint64_t>(static_cast<double>(rate) * 0x1.0p32);
  parallel_for(std::ssize(x), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint64_t draw = mix64(seed, first + static_cast<std::uint64_t>(i)) >> 32;
      x[i] = draw < threshold ? 0 : x[i] * scale;
    }
  });
}

void standardise(std::span<const float> x, std::int64_t channels, std::span<const float> mean,
                 std::span<const float> deviation, std::span<float> y) {
  JETCAL_DCHECK(x.size() == y.size() && std::ssize(mean) == channels);
  JETCAL_DCHECK(std::ssize(deviation) == channels);
  if (x.empty()) return;
  parallel_for(std::ssize(x) / channels, detail::row_grain(channels),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r) {
                   for (std::int64_t c = 0; c < channels; ++c) {
                     y[r * channels + c] = (x[r * channels + c] - mean[c]) / deviation[c];
                   }
                 }
               });
}

}  // namespace jetcal::kernels
