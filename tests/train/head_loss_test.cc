// SPDX-License-Identifier: Apache-2.0
// Every loss against central differences and against libtorch's own operations and autograd.
#include "jetcal/train/head_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "jetcal/base/random.h"
#include "jetcal/models/head.h"

namespace jetcal::train {
namespace {

using models::Head;

constexpr std::int64_t kJets = 40;

struct Input {
  std::vector<float> target, offset, outputs, weights;
  std::vector<std::int8_t> flavor;
  HeadTargets targets() const { return {target, offset, flavor, weights}; }
};

Input random_input(const HeadLossOptions& options, std::uint64_t seed) {
  Rng rng(seed);
  Input input;
  const std::int64_t width = models::num_head_outputs(options.head) + (options.flavor_head ? 6 : 0);
  for (std::int64_t jet = 0; jet < kJets; ++jet) {
    // Some jets are rejected: |y| >= 1.
    input.target.push_back(static_cast<float>(0.6 * rng.normal()));
    input.offset.push_back(static_cast<float>(0.1 * rng.normal()));
    input.weights.push_back(static_cast<float>(0.5 + rng.uniform()));
    input.flavor.push_back(static_cast<std::int8_t>(static_cast<int>(rng.below(7)) - 1));
    for (std::int64_t i = 0; i < width; ++i)
      input.outputs.push_back(static_cast<float>(rng.normal()));
  }
  return input;
}

at::Tensor as_double(const std::vector<float>& values, at::IntArrayRef shape) {
  return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat).to(at::kDouble);
}

at::Tensor width_of(const at::Tensor& output) {
  return at::softplus(output - models::kWidthShift) + models::kLeastWidth;
}

at::Tensor negative_log_normal(const at::Tensor& difference, const at::Tensor& width) {
  return (difference / width).square() / 2 + width.log();
}

// Loss of every jet from outputs [J, n].
at::Tensor torch_terms(Head head, const at::Tensor& y, const at::Tensor& o) {
  const auto at = [&o](std::int64_t i) { return o.select(1, i); };
  switch (head) {
    case Head::Quantiles: {
      const auto gap = [&at](std::int64_t i) { return at::softplus(at(i) - models::kGapShift); };
      const std::vector<at::Tensor> quantiles{at(2) - gap(1) - gap(0), at(2) - gap(1), at(2),
                                              at(2) + gap(3), at(2) + gap(3) + gap(4)};
      at::Tensor sum = at::zeros_like(y);
      for (std::size_t q = 0; q < quantiles.size(); ++q) {
        const at::Tensor above = y - quantiles[q];
        const double part = models::kQuantiles[q];
        sum = sum + 2 * at::maximum(part * above, (part - 1) * above);
      }
      return sum;
    }
    case Head::Gaussian:
      return negative_log_normal(y - at(0), width_of(at(1)));
    case Head::Laplace:
      return (y - at(0)).abs() / width_of(at(1)) + width_of(at(1)).log();
    case Head::Mixture: {
      const at::Tensor narrow = width_of(at(1));
      const at::Tensor wide = narrow + at::softplus(at(2) - models::kWidthShift);
      const at::Tensor logit = at(3) + models::kShareShift;
      return -at::logaddexp(at::log_sigmoid(logit) - negative_log_normal(y - at(0), narrow),
                            at::log_sigmoid(-logit) - negative_log_normal(y - at(0), wide));
    }
    case Head::Value:
      break;
  }
  return (y - at(0)).abs();
}

at::Tensor torch_loss(const HeadLossOptions& options, const Input& input, const at::Tensor& o) {
  const at::Tensor target = as_double(input.target, {kJets});
  const at::Tensor accepted = target.abs().lt(1).to(at::kDouble);
  const std::int64_t own = models::num_head_outputs(options.head);
  at::Tensor terms =
      torch_terms(options.head, target + as_double(input.offset, {kJets}), o.narrow(1, 0, own)) *
      accepted;
  if (options.flavor_head) {
    std::vector<std::int64_t> label(input.flavor.begin(), input.flavor.end());
    const at::Tensor known = at::from_blob(label.data(), {kJets}, at::kLong).clone();
    terms = terms + options.flavor_weight * at::cross_entropy_loss(o.narrow(1, own, 6), known, {},
                                                                   at::Reduction::None,
                                                                   /*ignore_index=*/-1);
  }
  return (terms * as_double(input.weights, {kJets})).mean();
}

class HeadLoss : public ::testing::TestWithParam<HeadLossOptions> {};

TEST_P(HeadLoss, LossAndGradientAreThoseOfLibtorch) {
  const HeadLossOptions& options = GetParam();
  const Input input = random_input(options, 3);
  std::vector<float> gradient(input.outputs.size());
  const double loss = head_loss(options, input.targets(), input.outputs, gradient);
  at::Tensor outputs =
      as_double(input.outputs, {kJets, std::ssize(input.outputs) / kJets}).requires_grad_();
  const at::Tensor expected = torch_loss(options, input, outputs);
  expected.backward();
  EXPECT_NEAR(loss, expected.item<double>(), 1e-6 * std::abs(expected.item<double>()));
  const at::Tensor want = outputs.grad().flatten();
  for (std::int64_t i = 0; i < want.numel(); ++i) {
    const double value = want[i].item<double>();
    EXPECT_NEAR(gradient[i], value, 1e-5 * (std::abs(value) + 1.0 / kJets)) << i;
  }
}

TEST_P(HeadLoss, GradientMeetsCentralDifferences) {
  const HeadLossOptions& options = GetParam();
  const Input input = random_input(options, 4);
  std::vector<float> gradient(input.outputs.size());
  head_loss(options, input.targets(), input.outputs, gradient);
  std::vector<float> unused(gradient.size());
  int off = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    constexpr float kStep = 1e-3F;
    std::vector<float> moved = input.outputs;
    moved[i] = input.outputs[i] + kStep;
    const float high = moved[i];
    const double above = head_loss(options, input.targets(), moved, unused);
    moved[i] = input.outputs[i] - kStep;
    const double step = static_cast<double>(high) - moved[i];
    const double below = head_loss(options, input.targets(), moved, unused);
    const double want = (above - below) / step;
    if (std::abs(gradient[i] - want) > 2e-3 * (std::abs(want) + 1.0 / kJets)) ++off;
  }
  // Absolute values have a kink, which a step may cross.
  EXPECT_LE(off, 1);
}

TEST_P(HeadLoss, NotANumberNeverPasses) {
  const HeadLossOptions& options = GetParam();
  for (const bool in_target : {true, false}) {
    Input input = random_input(options, 5);
    (in_target ? input.target[7] : input.outputs[0]) = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> gradient(input.outputs.size());
    EXPECT_TRUE(std::isnan(head_loss(options, input.targets(), input.outputs, gradient)));
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, HeadLoss,
                         ::testing::Values(HeadLossOptions{Head::Value, false, 0},
                                           HeadLossOptions{Head::Quantiles, false, 0},
                                           HeadLossOptions{Head::Gaussian, false, 0},
                                           HeadLossOptions{Head::Laplace, false, 0},
                                           HeadLossOptions{Head::Mixture, false, 0},
                                           HeadLossOptions{Head::Value, true, 0.1},
                                           HeadLossOptions{Head::Quantiles, true, 0.3}),
                         [](const auto& info) {
                           return std::string(models::head_name(info.param.head)) +
                                  (info.param.flavor_head ? "_flavor" : "");
                         });

}  // namespace
}  // namespace jetcal::train
