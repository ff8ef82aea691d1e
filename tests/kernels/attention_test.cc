// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/attention_definition.h"
#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

struct Case {
  AttentionShape shape;
  Offsets offsets;
  Floats momenta, qkv, pair_weight, grad_y;

  Case(const AttentionShape& chosen, const std::vector<std::int64_t>& sizes)
      : shape(chosen),
        offsets(offsets_of(sizes)),
        momenta(random_floats(offsets.back() * kMomentumColumns, 71)),
        qkv(random_floats(offsets.back() * 3 * shape.width(), 72)),
        pair_weight(random_floats(shape.heads * kPairQuantities, 73)),
        grad_y(random_floats(offsets.back() * shape.width(), 74)) {
    for (float& weight : pair_weight) weight *= 0.3F;
    for (std::size_t i = 0; i < momenta.size(); ++i) {
      if (i % kMomentumColumns != 0) momenta[i] *= 0.2F;
    }
  }

  AttentionCase exact() const {
    return {shape,
            offsets,
            {momenta.begin(), momenta.end()},
            {qkv.begin(), qkv.end()},
            {pair_weight.begin(), pair_weight.end()}};
  }
  PairQuantities pairs() const {
    PairQuantities pairs;
    pairs.build(momenta, offsets);
    return pairs;
  }
};

Floats forward(const Case& input) {
  const std::int64_t width = input.shape.width();
  Floats y(input.grad_y.size(), -7.0F);
  attention_forward(input.shape, input.pairs(), {input.qkv.data(), 3 * width}, input.pair_weight,
                    {y.data(), width});
  return y;
}

struct Gradients {
  Floats qkv, pair_weight;
};

Gradients backward(const Case& input) {
  const std::int64_t width = input.shape.width();
  Gradients gradients{Floats(input.qkv.size(), -7.0F), Floats(input.pair_weight.size(), -7.0F)};
  attention_backward(input.shape, input.pairs(), {input.qkv.data(), 3 * width}, input.pair_weight,
                     {input.grad_y.data(), width}, {gradients.qkv.data(), 3 * width},
                     gradients.pair_weight);
  return gradients;
}

std::vector<AttentionShape> shapes() { return {{1, 1}, {2, 3}, {4, 8}, {4, 16}, {3, 20}, {1, 64}}; }

std::string name_of(const AttentionShape& shape) {
  return std::to_string(shape.heads) + " heads of " + std::to_string(shape.units);
}

class AttentionTest : public KernelTest {};

TEST_P(AttentionTest, PairQuantitiesMatchTheirDefinition) {
  const ScopedIsa forced(GetParam());
  Case input({1, 1}, {0, 1, 2, 7, 8, 9, 15, 16, 17, 33, 64});
  std::copy_n(input.momenta.begin() + 9, 3, input.momenta.begin() + 12);  // coincident
  const PairQuantities pairs = input.pairs();
  for (std::int64_t jet = 0; jet < pairs.num_jets(); ++jet) {
    for (std::int64_t i = 0; i < pairs.size(jet); ++i) {
      for (std::int64_t j = 0; j < pairs.size(jet); ++j) {
        const float* momenta = input.momenta.data() + pairs.first_particle(jet) * 3;
        const auto want = pair_quantities_of(momenta + i * 3, momenta + j * 3);
        const std::int64_t place = i * pairs.stride(jet) + j;
        // Differences, squares and the polynomials round a few times; logarithms of 1e-6 are 14.
        EXPECT_NEAR(pairs.log_distance(jet)[place], want[0], 16 * kRoundoff * 7);
        EXPECT_NEAR(pairs.log_share(jet)[place], want[2], 16 * kRoundoff * 7);
        EXPECT_EQ(pairs.log_pt(jet)[j], momenta[j * 3]);
      }
    }
  }
}

TEST_P(AttentionTest, MatchesTheDefinitionAtEveryTail) {
  const ScopedIsa forced(GetParam());
  for (const AttentionShape& shape : shapes()) {
    const Case input(shape, {0, 1, 2, 7, 8, 9, 0, 15, 16, 17, 33, 64, 100, 0});
    Doubles terms;
    const Doubles want = attention_of(input.exact(), &terms);
    // A score's error is that of a sum of `units` products and of the pair's terms; relative errors
    // of the softmax and of its sums over 100 particles come on top.
    const double steps = static_cast<double>(shape.units + 100 + 32);
    for (double& bound : terms) bound *= 2 * steps * kRoundoff;
    expect_near(forward(input), Floats(want.begin(), want.end()), terms, name_of(shape));
  }
}

double loss_of(const AttentionCase& exact, const Floats& grad_y) {
  const Doubles y = attention_of(exact);
  double loss = 0;
  for (std::size_t i = 0; i < y.size(); ++i) loss += y[i] * grad_y[i];
  return loss;
}

double central_difference(AttentionCase exact, const Floats& grad_y, Doubles AttentionCase::*member,
                          std::size_t i) {
  constexpr double kStep = 1e-5;
  (exact.*member)[i] += kStep;
  const double above = loss_of(exact, grad_y);
  (exact.*member)[i] -= 2 * kStep;
  return (above - loss_of(exact, grad_y)) / (2 * kStep);
}

TEST_P(AttentionTest, GradientsMatchCentralDifferences) {
  const ScopedIsa forced(GetParam());
  for (const AttentionShape& shape : {AttentionShape{2, 3}, AttentionShape{2, 16}}) {
    const Case input(shape, {3, 0, 1, 17});
    const AttentionCase exact = input.exact();
    const Gradients got = backward(input);
    // Differences of second order with a step of 1e-5 are good to 1e-9; the kernels round sums of
    // some ten values below 50.
    const double bound = 1e-8 + 64 * kRoundoff * 50;
    for (std::size_t i = 0; i < input.qkv.size(); i += 7) {
      EXPECT_NEAR(got.qkv[i], central_difference(exact, input.grad_y, &AttentionCase::qkv, i),
                  bound)
          << name_of(shape) << ", element " << i;
    }
    for (std::size_t i = 0; i < input.pair_weight.size(); ++i) {
      EXPECT_NEAR(got.pair_weight[i],
                  central_difference(exact, input.grad_y, &AttentionCase::pair_weight, i), bound)
          << name_of(shape) << ", weight " << i;
    }
  }
}

TEST_P(AttentionTest, BackwardMatchesReferenceAtEveryTail) {
  for (const AttentionShape& shape : shapes()) {
    const Case input(shape, {0, 1, 2, 7, 8, 9, 0, 15, 16, 17, 33, 64, 100, 0});
    const Gradients want = run_on(Isa::Ref, [&] { return backward(input); });
    const Gradients got = run_on(GetParam(), [&] { return backward(input); });
    const auto bounds = [&](const Floats& values) {
      float largest = 1;
      for (const float value : values) largest = std::max(largest, std::abs(value));
      // Five sums in a row of up to 100 terms, each no larger than what it comes to.
      return std::vector<double>(
          values.size(), 2.0 * (shape.units + 100 + 32) * kRoundoff * static_cast<double>(largest));
    };
    expect_near(got.qkv, want.qkv, bounds(want.qkv), "qkv, " + name_of(shape));
    expect_near(got.pair_weight, want.pair_weight, bounds(want.pair_weight),
                "pair weights, " + name_of(shape));
  }
}

TEST_P(AttentionTest, BitsDependNeitherOnThreadsNorOnOtherJets) {
  const ScopedIsa forced(GetParam());
  std::vector<std::int64_t> sizes(60, 37);
  sizes[3] = 0;
  sizes[5] = 120;
  const Case input({2, 16}, sizes);
  const Floats one = run_with_threads(1, [&] { return forward(input); });
  const Gradients gradient = run_with_threads(1, [&] { return backward(input); });
  for (const int threads : {2, 3, 7}) {
    EXPECT_TRUE(same_bits(run_with_threads(threads, [&] { return forward(input); }), one));
    const Gradients again = run_with_threads(threads, [&] { return backward(input); });
    EXPECT_TRUE(same_bits(again.qkv, gradient.qkv));
    EXPECT_TRUE(same_bits(again.pair_weight, gradient.pair_weight));
  }
  Case alone = input;  // the jet of 120 particles on its own
  const std::int64_t first = input.offsets[5];
  alone.offsets = {0, 120};
  alone.momenta.erase(alone.momenta.begin(), alone.momenta.begin() + first * 3);
  alone.momenta.resize(120 * 3);
  alone.qkv.erase(alone.qkv.begin(), alone.qkv.begin() + first * 96);
  alone.qkv.resize(120 * 96);
  alone.grad_y.resize(120 * 32);
  EXPECT_TRUE(same_bits(forward(alone), std::span(one).subspan(first * 32, 120 * 32)));
}

TEST_P(AttentionTest, HugeAndCoincidentParticlesGiveFiniteResults) {
  const ScopedIsa forced(GetParam());
  Case input({2, 8}, {300, 1, 5});
  for (std::size_t i = 0; i < input.momenta.size(); i += 5) input.momenta[i] = 1e9F;
  for (std::size_t i = 1; i < input.momenta.size(); i += 7) input.momenta[i] = -1e9F;
  std::fill_n(input.momenta.begin() + 300 * 3, 3 * 6, 0.25F);
  std::fill_n(input.qkv.begin(), 24, 1e6F);
  const auto finite = [](float x) { return std::isfinite(x); };
  const Gradients gradients = backward(input);
  EXPECT_TRUE(std::ranges::all_of(forward(input), finite));
  EXPECT_TRUE(std::ranges::all_of(gradients.qkv, finite));
  EXPECT_TRUE(std::ranges::all_of(gradients.pair_weight, finite));
}

JETCAL_TEST_VARIANTS(AttentionTest);

}  // namespace
}  // namespace jetcal::kernels
