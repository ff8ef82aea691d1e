// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/layer_norm.h"

#include <algorithm>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/layer_norm_kernels.h"

namespace jetcal::kernels {
namespace {

const detail::LayerNormKernels& variant() {
  return detail::pick(kernel_isa(), detail::kLayerNormRef, detail::kLayerNormAvx2,
                      detail::kLayerNormAvx512);
}

// Sums over this many rows are in float, the sum of those in double.
constexpr std::int64_t kFloatRows = 64;

// Returns how many rows a block has whose sums belong together; follows from the rows alone.
std::int64_t block_rows(std::int64_t rows) {
  constexpr std::int64_t kMaxBlocks = 64;
  constexpr std::int64_t kMinRows = 512;
  const std::int64_t step = std::max(kMinRows, (rows + kMaxBlocks - 1) / kMaxBlocks);
  return (step + kFloatRows - 1) / kFloatRows * kFloatRows;
}

}  // namespace

void layer_norm_forward(std::span<const float> x, std::int64_t channels,
                        std::span<const float> gamma, std::span<const float> beta,
                        std::span<float> y, std::span<float> mean,
                        std::span<float> inverse_deviation) {
  JETCAL_DCHECK(channels >= 1 && std::ssize(x) % channels == 0 && y.size() == x.size());
  JETCAL_DCHECK(std::ssize(gamma) == channels && std::ssize(beta) == channels);
  const std::int64_t rows = std::ssize(x) / channels;
  JETCAL_DCHECK(std::ssize(mean) == rows && std::ssize(inverse_deviation) == rows);
  const auto& kernels = variant();
  parallel_for(rows, detail::row_grain(channels), [&](std::int64_t begin, std::int64_t end) {
    kernels.forward({x.data() + begin * channels, channels, end - begin, channels, gamma.data(),
                     beta.data(), y.data() + begin * channels, channels, mean.data() + begin,
                     inverse_deviation.data() + begin, kLayerNormEpsilon});
  });
}

void layer_norm_backward(std::span<const float> x, std::span<const float> grad_y,
                         std::int64_t channels, std::span<const float> gamma,
                         std::span<const float> mean, std::span<const float> inverse_deviation,
                         std::span<const float> residual, std::span<float> grad_x,
                         std::span<float> grad_gamma, std::span<float> grad_beta) {
  JETCAL_DCHECK(channels >= 1 && std::ssize(x) % channels == 0);
  JETCAL_DCHECK(grad_y.size() == x.size() && grad_x.size() == x.size());
  JETCAL_DCHECK(residual.empty() || residual.size() == x.size());
  JETCAL_DCHECK(std::ssize(grad_gamma) == channels && std::ssize(grad_beta) == channels);
  const std::int64_t rows = std::ssize(x) / channels;
  const std::int64_t step = block_rows(rows);
  const std::int64_t blocks = (rows + step - 1) / step;
  const auto& kernels = variant();
  std::vector<double> parts(static_cast<std::size_t>(2 * blocks * channels));
  parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> sums(static_cast<std::size_t>(2 * channels));
    const std::int64_t last = std::min(rows, end * step);
    for (std::int64_t row = begin * step; row < last; row += kFloatRows) {
      std::ranges::fill(sums, 0.0F);
      const std::int64_t at = row * channels;
      kernels.backward({x.data() + at, grad_y.data() + at, std::min(kFloatRows, last - row),
                        channels, gamma.data(), mean.data() + row, inverse_deviation.data() + row,
                        residual.empty() ? nullptr : residual.data() + at, grad_x.data() + at,
                        sums.data(), sums.data() + channels});
      double* const part = parts.data() + 2 * (row / step) * channels;
      for (std::int64_t c = 0; c < 2 * channels; ++c) part[c] += sums[c];
    }
  });
  for (std::int64_t c = 0; c < channels; ++c) {
    double gamma_sum = 0;
    double beta_sum = 0;
    for (std::int64_t block = 0; block < blocks; ++block) {
      gamma_sum += parts[2 * block * channels + c];
      beta_sum += parts[(2 * block + 1) * channels + c];
    }
    grad_gamma[c] = static_cast<float>(gamma_sum);
    grad_beta[c] = static_cast<float>(beta_sum);
  }
}

void layer_normalise(const LayerNormTile& tile, std::span<const float> gamma,
                     std::span<const float> beta) {
  JETCAL_DCHECK(gamma.size() == beta.size());
  const bool plain = gamma.empty();
  variant().forward({tile.x, tile.x_stride, tile.rows, tile.channels,
                     plain ? nullptr : gamma.data(), plain ? nullptr : beta.data(), tile.y,
                     tile.y_stride, nullptr, nullptr, kLayerNormEpsilon});
}

}  // namespace jetcal::kernels
