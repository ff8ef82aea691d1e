// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/optimizer.h"

#include <gtest/gtest.h>
#include <torch/optim/adagrad.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/rmsprop.h>

#include <array>
#include <cmath>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/base/threads.h"

namespace jetcal::train {
namespace {

constexpr std::size_t kSize = 4;
using Values = std::array<double, kSize>;

// Some gradient that changes from step to step, sign and size included.
double slope(int step, std::size_t i) {
  return std::sin(1.7 * step + static_cast<double>(i)) * std::pow(10.0, static_cast<int>(i) - 2);
}

// The published update equations in double, one weight at a time.
struct Moments {
  double m = 0, v = 0;
};

// Kingma and Ba, algorithm 1; Loshchilov and Hutter, algorithm 2, where decay is apart.
void adam(double& weight, Moments& moments, double g, int t, double lr, double decay, bool apart) {
  if (apart) {
    weight -= lr * decay * weight;
  } else {
    g += decay * weight;
  }
  moments.m = 0.9 * moments.m + 0.1 * g;
  moments.v = 0.999 * moments.v + 0.001 * g * g;
  const double m_hat = moments.m / (1 - std::pow(0.9, t));
  const double v_hat = moments.v / (1 - std::pow(0.999, t));
  weight -= lr * m_hat / (std::sqrt(v_hat) + 1e-8);
}

// Liu et al., algorithm 2, with the bound 5 and epsilon outside of the bias correction, as in the
// authors' code.
void radam(double& weight, Moments& moments, double g, int t, double lr, double decay) {
  const double rho_max = 2 / (1 - 0.999) - 1;
  const double power = std::pow(0.999, t);
  const double rho = rho_max - 2 * t * power / (1 - power);
  moments.m = 0.95 * moments.m + 0.05 * g;
  moments.v = 0.999 * moments.v + 0.001 * g * g;
  weight -= lr * decay * weight;
  const double m_hat = moments.m / (1 - std::pow(0.95, t));
  if (rho <= 5) {
    weight -= lr * m_hat;
    return;
  }
  const double r =
      std::sqrt((rho - 4) * (rho - 2) * rho_max / ((rho_max - 4) * (rho_max - 2) * rho));
  weight -= lr * m_hat * r * std::sqrt(1 - power) / (std::sqrt(moments.v) + 1e-5);
}

// Duchi, Hazan and Singer, diagonal, and Tieleman and Hinton, lecture 6.5.
void adagrad(double& weight, Moments& moments, double g, double lr, double decay) {
  g += decay * weight;
  moments.v += g * g;
  weight -= lr * g / (std::sqrt(moments.v) + 1e-10);
}
void rmsprop(double& weight, Moments& moments, double g, double lr, double decay) {
  g += decay * weight;
  moments.v = 0.99 * moments.v + 0.01 * g * g;
  weight -= lr * g / (std::sqrt(moments.v) + 1e-8);
}

Values expected(OptimizerKind kind, double decay, int steps, double lr) {
  Values weights{0.5, -1.0, 2.0, -0.25};
  Values slow = weights;
  std::array<Moments, kSize> moments;
  for (int t = 1; t <= steps; ++t) {
    for (std::size_t i = 0; i < kSize; ++i) {
      if (kind == OptimizerKind::Adagrad) {
        adagrad(weights[i], moments[i], slope(t, i), lr, decay);
      } else if (kind == OptimizerKind::Rmsprop) {
        rmsprop(weights[i], moments[i], slope(t, i), lr, decay);
      } else if (kind == OptimizerKind::Ranger) {
        radam(weights[i], moments[i], slope(t, i), t, lr, decay);
        if (t % 6 == 0) weights[i] = slow[i] = slow[i] + 0.5 * (weights[i] - slow[i]);
      } else {
        adam(weights[i], moments[i], slope(t, i), t, lr, decay, kind == OptimizerKind::AdamW);
      }
    }
  }
  return weights;
}

struct Descent {
  explicit Descent(const OptimizerOptions& options)
      : weights{0.5F, -1.0F, 2.0F, -0.25F},
        gradient(kSize),
        optimizer(options, weights, gradient) {}
  void steps(int from, int to, double lr) {
    for (int t = from; t <= to; ++t) {
      for (std::size_t i = 0; i < kSize; ++i) gradient[i] = static_cast<float>(slope(t, i));
      optimizer.step(lr);
    }
  }
  std::vector<float> weights, gradient;
  Optimizer optimizer;
};

class OptimizerRule : public testing::TestWithParam<OptimizerKind> {};

TEST_P(OptimizerRule, FollowsItsPublishedEquations) {
  for (const double decay : {0.0, 0.1}) {
    for (const int steps : {1, 5, 6, 7, 12, 30}) {
      Descent run({GetParam(), 0.01, decay});
      run.steps(1, steps, 0.01);
      const Values want = expected(GetParam(), decay, steps, 0.01);
      for (std::size_t i = 0; i < kSize; ++i) {
        // Every step rounds the weight once or twice to float.
        EXPECT_NEAR(run.weights[i], want[i], 2e-7 * steps * (1 + std::abs(want[i])))
            << "weight " << i << " after " << steps << " steps, decay " << decay;
      }
    }
  }
}

TEST_P(OptimizerRule, GoesOnBitForBitFromItsState) {
  const OptimizerOptions options{GetParam(), 0.01, 0.02};
  for (const int stop : {0, 1, 4, 6, 8, 11}) {
    Descent whole(options);
    whole.steps(1, 25, 0.01);
    Descent first(options);
    first.steps(1, stop, 0.01);
    Descent second(options);
    second.weights = first.weights;  // same size: the memory stays where it is
    second.optimizer.restore(first.optimizer.state());
    second.steps(stop + 1, 25, 0.01);
    EXPECT_EQ(second.weights, whole.weights) << "stopped after " << stop;
    EXPECT_EQ(second.optimizer.state().tensors, whole.optimizer.state().tensors);
    EXPECT_EQ(second.optimizer.state().steps, 25);
  }
}

TEST_P(OptimizerRule, RefusesAnIncompleteState) {
  Descent run({GetParam(), 0.01, std::nullopt});
  run.steps(1, 3, 0.01);
  const OptimizerState whole = run.optimizer.state();
  ASSERT_FALSE(whole.tensors.empty());
  for (const auto& [name, values] : whole.tensors) {
    OptimizerState part = whole;
    part.tensors.erase(name);
    EXPECT_THROW(run.optimizer.restore(part), Error) << name;
    part = whole;
    part.tensors[name].pop_back();
    EXPECT_THROW(run.optimizer.restore(part), Error) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerRule, testing::ValuesIn(kOptimizers),
                         [](const auto& info) { return std::string(optimizer_name(info.param)); });

// libtorch's own optimizer, with its defaults but for learning rate and weight decay.
std::unique_ptr<torch::optim::Optimizer> libtorch(OptimizerKind kind, const at::Tensor& weights,
                                                  double lr, double decay) {
  const std::vector<at::Tensor> all{weights};
  if (kind == OptimizerKind::Adam) {
    return std::make_unique<torch::optim::Adam>(all,
                                                torch::optim::AdamOptions(lr).weight_decay(decay));
  }
  if (kind == OptimizerKind::AdamW) {
    return std::make_unique<torch::optim::AdamW>(
        all, torch::optim::AdamWOptions(lr).weight_decay(decay));
  }
  if (kind == OptimizerKind::Adagrad) {
    return std::make_unique<torch::optim::Adagrad>(
        all, torch::optim::AdagradOptions(lr).weight_decay(decay));
  }
  return std::make_unique<torch::optim::RMSprop>(
      all, torch::optim::RMSpropOptions(lr).weight_decay(decay));
}

TEST_P(OptimizerRule, FollowsLibtorchOver100Steps) {
  if (GetParam() == OptimizerKind::Ranger) GTEST_SKIP() << "libtorch has no Ranger";
  constexpr std::int64_t kWeights = 1003;
  constexpr int kSteps = 100;
  const double lr = default_learning_rate(GetParam());
  for (const double decay : {0.0, 0.05}) {
    Rng rng(11);
    std::vector<float> weights(kWeights);
    for (float& weight : weights) weight = static_cast<float>(0.3 * rng.normal());
    std::vector<float> gradient(kWeights);
    at::Tensor theirs = at::empty({kWeights}, at::kFloat);
    std::copy(weights.begin(), weights.end(), theirs.mutable_data_ptr<float>());
    theirs.mutable_grad() = at::from_blob(gradient.data(), {kWeights}, at::kFloat);
    const auto peer = libtorch(GetParam(), theirs, lr, decay);
    Optimizer ours({GetParam(), lr, decay}, weights, gradient);
    for (int step = 1; step <= kSteps; ++step) {
      // Sizes from 1e-6 to 10, some weights without a gradient in this step.
      for (std::int64_t i = 0; i < kWeights; ++i) {
        const double size = std::pow(10.0, static_cast<double>(i % 8) - 6);
        gradient[i] = rng.uniform() < 0.1 ? 0 : static_cast<float>(size * rng.normal());
      }
      ours.step(lr);
      peer->step();
      for (std::int64_t i = 0; i < kWeights; ++i) {
        // A step rounds the weight twice and its update some ten times; no update is longer than
        // 10 lr, that of RMSprop's first step, lr / sqrt(1 - alpha).
        const double size = std::abs(weights[i]) + 10 * lr;
        ASSERT_NEAR(weights[i], theirs.const_data_ptr<float>()[i], 10 * 0x1.0p-24 * step * size)
            << "weight " << i << " after " << step << " steps, decay " << decay;
      }
    }
  }
}

TEST_P(OptimizerRule, ThreadsChangeNoBit) {
  const auto run = [](int threads) {
    set_num_threads(threads);
    std::vector<float> weights(100003);
    std::vector<float> gradient(weights.size());
    Rng rng(12);
    for (float& weight : weights) weight = static_cast<float>(rng.normal());
    Optimizer optimizer({GetParam(), 0.01, 0.01}, weights, gradient);
    for (int step = 0; step < 8; ++step) {
      for (float& slope : gradient) slope = static_cast<float>(rng.normal());
      optimizer.step(0.01);
    }
    set_num_threads(0);
    return weights;
  };
  EXPECT_EQ(run(1), run(3));
}

TEST(Optimizer, TakesTheEmptyStateOfAnOlderCheckpointBeforeItsFirstStep) {
  Descent run({OptimizerKind::Adam, 0.01, std::nullopt});
  run.steps(1, 3, 0.01);
  run.weights = {0.5F, -1.0F, 2.0F, -0.25F};
  run.optimizer.restore({});
  run.steps(1, 3, 0.01);
  Descent fresh({OptimizerKind::Adam, 0.01, std::nullopt});
  fresh.steps(1, 3, 0.01);
  EXPECT_EQ(run.weights, fresh.weights);
}

TEST(Ranger, KeepsSlowWeightsThatDifferFromTheFastOnes) {
  Descent run({OptimizerKind::Ranger, 0.01, std::nullopt});
  run.steps(1, 8, 0.01);
  EXPECT_NE(run.optimizer.state().tensors.at("slow"), run.weights);
  run.steps(9, 12, 0.01);
  EXPECT_EQ(run.optimizer.state().tensors.at("slow"), run.weights);
}

TEST(OptimizerOptions, DefaultsArePyTorchs) {
  EXPECT_EQ((OptimizerOptions{OptimizerKind::Adam, 1e-3, std::nullopt}).resolved_weight_decay(), 0);
  EXPECT_EQ((OptimizerOptions{OptimizerKind::AdamW, 1e-3, std::nullopt}).resolved_weight_decay(),
            0.01);
  EXPECT_EQ((OptimizerOptions{OptimizerKind::AdamW, 1e-3, 0.0}).resolved_weight_decay(), 0);
  EXPECT_THROW(parse_optimizer("sgd"), Error);
  for (const OptimizerKind kind : kOptimizers)
    EXPECT_EQ(parse_optimizer(optimizer_name(kind)), kind);
  EXPECT_EQ(default_learning_rate(OptimizerKind::Adam), 1e-3);
  EXPECT_EQ(default_learning_rate(OptimizerKind::Rmsprop), 1e-2);
}

}  // namespace
}  // namespace jetcal::train
