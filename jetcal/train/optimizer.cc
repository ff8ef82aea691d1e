// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/optimizer.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::train {

std::string_view optimizer_name(OptimizerKind kind) noexcept {
  switch (kind) {
    case OptimizerKind::Adam:
      return "adam";
    case OptimizerKind::AdamW:
      return "adamw";
    case OptimizerKind::Ranger:
      break;
  }
  return "ranger";
}

OptimizerKind parse_optimizer(std::string_view name) {
  for (const auto kind : {OptimizerKind::Adam, OptimizerKind::AdamW, OptimizerKind::Ranger}) {
    if (name == optimizer_name(kind)) return kind;
  }
  fail(ErrorCode::InvalidArgument, "optimizer: expected adam, adamw or ranger, got '", name, "'");
}

double OptimizerOptions::resolved_weight_decay() const noexcept {
  return weight_decay.value_or(kind == OptimizerKind::AdamW ? 0.01 : 0.0);
}

/// One update rule with its state.
class Optimizer::Rule {
 public:
  virtual ~Rule() = default;
  virtual void step(double learning_rate) = 0;
  virtual OptimizerState state() const = 0;
  virtual void restore(const OptimizerState& state) = 0;
};

namespace {

std::vector<float> values_of(const at::Tensor& tensor) {
  const float* const begin = tensor.const_data_ptr<float>();
  return {begin, begin + tensor.numel()};
}

at::Tensor tensor_of(const OptimizerState& state, const std::string& name, const at::Tensor& like) {
  const auto found = state.tensors.find(name);
  if (found == state.tensors.end())
    fail(ErrorCode::DataLoss, "the optimizer's state lacks '", name, "'");
  if (static_cast<std::int64_t>(found->second.size()) != like.numel()) {
    fail(ErrorCode::DataLoss, "the optimizer's state '", name, "' has ", found->second.size(),
         " values instead of ", like.numel());
  }
  at::Tensor tensor = at::empty_like(like);
  std::copy(found->second.begin(), found->second.end(), tensor.mutable_data_ptr<float>());
  return tensor;
}

// Adam or AdamW of libtorch.
template <typename Optim, typename Options, typename ParamState>
class TorchRule final : public Optimizer::Rule {
 public:
  TorchRule(at::Tensor parameters, double weight_decay)
      : parameters_(std::move(parameters)),
        optim_({parameters_}, Options().weight_decay(weight_decay)) {}

  void step(double learning_rate) override {
    static_cast<Options&>(optim_.param_groups()[0].options()).lr(learning_rate);
    optim_.step();
  }

  OptimizerState state() const override {
    const auto& states = optim_.state();
    const auto found = states.find(parameters_.unsafeGetTensorImpl());
    if (found == states.end()) return {};
    const auto& state = static_cast<const ParamState&>(*found->second);
    return {
        state.step(),
        {{"exp_avg", values_of(state.exp_avg())}, {"exp_avg_sq", values_of(state.exp_avg_sq())}}};
  }

  void restore(const OptimizerState& state) override {
    optim_.state().clear();
    if (state.steps == 0) return;
    auto restored = std::make_unique<ParamState>();
    restored->step(state.steps);
    restored->exp_avg(tensor_of(state, "exp_avg", parameters_));
    restored->exp_avg_sq(tensor_of(state, "exp_avg_sq", parameters_));
    optim_.state()[parameters_.unsafeGetTensorImpl()] = std::move(restored);
  }

 private:
  at::Tensor parameters_;
  Optim optim_;
};

using AdamRule =
    TorchRule<torch::optim::Adam, torch::optim::AdamOptions, torch::optim::AdamParamState>;
using AdamWRule =
    TorchRule<torch::optim::AdamW, torch::optim::AdamWOptions, torch::optim::AdamWParamState>;

// Lookahead (Zhang et al. 2019) around RAdam (Liu et al. 2020).
class RangerRule final : public Optimizer::Rule {
 public:
  RangerRule(at::Tensor parameters, at::Tensor gradient, double weight_decay)
      : parameters_(std::move(parameters)),
        gradient_(std::move(gradient)),
        exp_avg_(at::zeros_like(parameters_)),
        exp_avg_sq_(at::zeros_like(parameters_)),
        slow_(parameters_.clone()),
        weight_decay_(weight_decay) {}

  void step(double learning_rate) override {
    ++steps_;
    radam_step(learning_rate);
    if (steps_ % kLookaheadSteps != 0) return;
    slow_.add_(parameters_ - slow_, kLookaheadAlpha);
    parameters_.copy_(slow_);
  }

  OptimizerState state() const override {
    return {steps_,
            {{"exp_avg", values_of(exp_avg_)},
             {"exp_avg_sq", values_of(exp_avg_sq_)},
             {"slow", values_of(slow_)}}};
  }

  void restore(const OptimizerState& state) override {
    at::Tensor exp_avg = tensor_of(state, "exp_avg", parameters_);
    at::Tensor exp_avg_sq = tensor_of(state, "exp_avg_sq", parameters_);
    slow_ = tensor_of(state, "slow", parameters_);
    exp_avg_ = std::move(exp_avg);
    exp_avg_sq_ = std::move(exp_avg_sq);
    steps_ = state.steps;
  }

 private:
  static constexpr std::int64_t kLookaheadSteps = 6;
  static constexpr double kLookaheadAlpha = 0.5;
  static constexpr double kBeta1 = 0.95, kBeta2 = 0.999, kEpsilon = 1e-5;
  // The paper's bound is 4; the authors' code and PyTorch's stay on the safe side with 5.
  static constexpr double kLeastVarianceLength = 5;

  void radam_step(double learning_rate) {
    exp_avg_.mul_(kBeta1).add_(gradient_, 1 - kBeta1);
    exp_avg_sq_.mul_(kBeta2).addcmul_(gradient_, gradient_, 1 - kBeta2);
    if (weight_decay_ != 0) parameters_.mul_(1 - learning_rate * weight_decay_);
    const auto t = static_cast<double>(steps_);
    const double power = std::pow(kBeta2, t);
    const double rho_max = 2 / (1 - kBeta2) - 1;
    const double rho = rho_max - 2 * t * power / (1 - power);
    const double rate = learning_rate / (1 - std::pow(kBeta1, t));
    if (rho <= kLeastVarianceLength) {
      parameters_.add_(exp_avg_, -rate);  // the variance is not known yet: momentum alone
      return;
    }
    const double rectification =
        std::sqrt((rho - 4) * (rho - 2) * rho_max / ((rho_max - 4) * (rho_max - 2) * rho));
    const at::Tensor denominator = exp_avg_sq_.sqrt().add_(kEpsilon);
    parameters_.addcdiv_(exp_avg_, denominator, -rate * rectification * std::sqrt(1 - power));
  }

  at::Tensor parameters_, gradient_, exp_avg_, exp_avg_sq_, slow_;
  double weight_decay_;
  std::int64_t steps_ = 0;
};

std::unique_ptr<Optimizer::Rule> make_rule(const OptimizerOptions& options,
                                           std::span<float> parameters, std::span<float> gradient) {
  const auto size = static_cast<std::int64_t>(parameters.size());
  at::Tensor weights = at::from_blob(parameters.data(), {size}, at::kFloat);
  at::Tensor slope = at::from_blob(gradient.data(), {size}, at::kFloat);
  const double weight_decay = options.resolved_weight_decay();
  weights.mutable_grad() = slope;
  switch (options.kind) {
    case OptimizerKind::Adam:
      return std::make_unique<AdamRule>(weights, weight_decay);
    case OptimizerKind::AdamW:
      return std::make_unique<AdamWRule>(weights, weight_decay);
    case OptimizerKind::Ranger:
      break;
  }
  return std::make_unique<RangerRule>(weights, slope, weight_decay);
}

}  // namespace

Optimizer::Optimizer(const OptimizerOptions& options, std::span<float> parameters,
                     std::span<float> gradient)
    : rule_(make_rule(options, parameters, gradient)) {
  JETCAL_DCHECK(parameters.size() == gradient.size());
}

Optimizer::~Optimizer() = default;

void Optimizer::step(double learning_rate) { rule_->step(learning_rate); }

OptimizerState Optimizer::state() const { return rule_->state(); }

void Optimizer::restore(const OptimizerState& state) { rule_->restore(state); }

}  // namespace jetcal::train
