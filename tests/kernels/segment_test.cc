// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/segment.h"

#include <gtest/gtest.h>

#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

using Kernel = void (*)(std::span<const float>, std::span<const std::int64_t>, std::int64_t,
                        std::span<float>);

Floats pooled(Kernel kernel, const Floats& x, const Offsets& offsets, std::int64_t channels) {
  Floats y((offsets.size() - 1) * channels, -7.0F);
  kernel(x, offsets, channels, y);
  return y;
}

Floats spread(Kernel kernel, const Floats& grad_y, const Offsets& offsets, std::int64_t channels) {
  Floats grad_x(static_cast<std::size_t>(offsets.back() * channels), -7.0F);
  kernel(grad_y, offsets, channels, grad_x);
  return grad_x;
}

const Offsets& ragged() {
  static const Offsets kOffsets = offsets_of({0, 1, 7, 0, 0, 100, 2, 33, 0});
  return kOffsets;
}

class SegmentTest : public KernelTest {};

TEST_P(SegmentTest, MatchesReferenceAtEveryTail) {
  for (const std::int64_t channels : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50, 63, 64, 65, 130}) {
    const Floats x = random_floats(ragged().back() * channels, 1);
    const Floats grad_y = random_floats(std::ssize(ragged()) * channels - channels, 2);
    // 100 additions of values below 6, and a division.
    const std::vector<double> bound(grad_y.size(), 102 * kRoundoff * 600);
    for (const Kernel kernel : {segment_sum, segment_mean}) {
      const auto run = [&] { return pooled(kernel, x, ragged(), channels); };
      expect_near(run_on(GetParam(), run), run_on(Isa::Ref, run), bound,
                  std::to_string(channels) + " channels");
    }
    for (const Kernel kernel : {segment_sum_backward, segment_mean_backward}) {
      const auto run = [&] { return spread(kernel, grad_y, ragged(), channels); };
      EXPECT_TRUE(same_bits(run_on(GetParam(), run), run_on(Isa::Ref, run))) << channels;
    }
  }
}

TEST_P(SegmentTest, PoolsByHand) {
  const ScopedIsa forced(GetParam());
  const Floats x{1, 10, 2, 20, 6, 60};
  const Offsets offsets{0, 0, 2, 3};
  EXPECT_EQ(pooled(segment_sum, x, offsets, 2), (Floats{0, 0, 3, 30, 6, 60}));
  EXPECT_EQ(pooled(segment_mean, x, offsets, 2), (Floats{0, 0, 1.5F, 15, 6, 60}));
}

TEST_P(SegmentTest, NoSegmentsAreNoWork) {
  const ScopedIsa forced(GetParam());
  EXPECT_TRUE(pooled(segment_mean, {}, {0}, 5).empty());
  EXPECT_TRUE(spread(segment_mean_backward, {}, {0}, 5).empty());
}

TEST_P(SegmentTest, SegmentHasTheSameBitsInAnyBatch) {
  const ScopedIsa forced(GetParam());
  const std::int64_t channels = 50;
  const Floats x = random_floats(ragged().back() * channels, 3);
  const Floats y = pooled(segment_mean, x, ragged(), channels);
  for (std::size_t j = 0; j + 1 < ragged().size(); ++j) {
    const std::int64_t rows = ragged()[j + 1] - ragged()[j];
    Floats alone(static_cast<std::size_t>(channels));
    segment_mean(std::span(x).subspan(ragged()[j] * channels, rows * channels), Offsets{0, rows},
                 channels, alone);
    EXPECT_TRUE(same_bits(alone, std::span(y).subspan(j * channels, channels))) << j;
  }
}

TEST_P(SegmentTest, ThreadsChangeNoBit) {
  const ScopedIsa forced(GetParam());
  const std::int64_t channels = 33;
  const Offsets offsets = offsets_of(std::vector<std::int64_t>(500, 11));
  const Floats x = random_floats(offsets.back() * channels, 4);
  const auto run = [&] { return pooled(segment_sum, x, offsets, channels); };
  EXPECT_TRUE(same_bits(run_with_threads(1, run), run_with_threads(2, run)));
}

// Pooling is linear: its gradient is the transposed map, so <pool(x), g> = <x, backward(g)>, and a
// central difference of step 1 along one element is exact but for rounding.
TEST_P(SegmentTest, GradientsMatchCentralDifferences) {
  const Offsets offsets = offsets_of({2, 0, 5});
  const std::int64_t channels = 3;
  Floats x = random_floats(offsets.back() * channels, 5);
  const Floats grad_y = random_floats(3 * channels, 6);
  const std::pair<Kernel, Kernel> pairs[] = {{segment_sum, segment_sum_backward},
                                             {segment_mean, segment_mean_backward}};
  for (const auto& [forward, backward] : pairs) {
    const Floats grad_x =
        run_on(GetParam(), [&] { return spread(backward, grad_y, offsets, channels); });
    const ScopedIsa forced(Isa::Ref);
    const auto loss = [&] {
      const Floats y = pooled(forward, x, offsets, channels);
      double sum = 0;
      for (std::size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * grad_y[i];
      return sum;
    };
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float before = x[i];
      x[i] = before + 1;
      const double above = loss();
      x[i] = before - 1;
      const double below = loss();
      x[i] = before;
      EXPECT_NEAR(grad_x[i], (above - below) / 2, 1e-5);
    }
  }
}

JETCAL_TEST_VARIANTS(SegmentTest);

}  // namespace
}  // namespace jetcal::kernels
