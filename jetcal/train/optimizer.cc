// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/optimizer.h"

#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/kernels/optimizer_step.h"

namespace jetcal::train {

std::string_view optimizer_name(OptimizerKind kind) noexcept {
  switch (kind) {
    case OptimizerKind::Adam:
      return "adam";
    case OptimizerKind::AdamW:
      return "adamw";
    case OptimizerKind::Adagrad:
      return "adagrad";
    case OptimizerKind::Rmsprop:
      return "rmsprop";
    case OptimizerKind::Ranger:
      break;
  }
  return "ranger";
}

double default_learning_rate(OptimizerKind kind) noexcept {
  return kind == OptimizerKind::Adagrad || kind == OptimizerKind::Rmsprop ? 1e-2 : 1e-3;
}

OptimizerKind parse_optimizer(std::string_view name) {
  for (const OptimizerKind kind : kOptimizers) {
    if (name == optimizer_name(kind)) return kind;
  }
  fail(ErrorCode::InvalidArgument,
       "optimizer: expected adam, adamw, adagrad, rmsprop or ranger, got '", name, "'");
}

double OptimizerOptions::resolved_weight_decay() const noexcept {
  return weight_decay.value_or(kind == OptimizerKind::AdamW ? 0.01 : 0.0);
}

namespace {

std::vector<const char*> tensor_names(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::Adam:
    case OptimizerKind::AdamW:
      return {"exp_avg", "exp_avg_sq"};
    case OptimizerKind::Adagrad:
      return {"sum"};
    case OptimizerKind::Rmsprop:
      return {"square_avg"};
    case OptimizerKind::Ranger:
      break;
  }
  return {"exp_avg", "exp_avg_sq", "slow"};
}

}  // namespace

Optimizer::Optimizer(const OptimizerOptions& options, std::span<float> parameters,
                     std::span<const float> gradient)
    : options_(options), parameters_(parameters), gradient_(gradient) {
  JETCAL_DCHECK(parameters.size() == gradient.size());
  for (const char* const name : tensor_names(options.kind)) {
    state_.tensors[name].assign(parameters.size(), 0.0F);
  }
  if (options.kind == OptimizerKind::Ranger)
    tensor("slow").assign(parameters.begin(), parameters.end());
}

void Optimizer::step(double learning_rate) {
  ++state_.steps;
  if (options_.ranges.empty()) {
    step_range({0, std::ssize(parameters_)}, learning_rate);
    return;
  }
  for (const ParameterRange& range : options_.ranges) {
    if (!range.frozen) step_range(range, learning_rate);
  }
}

void Optimizer::step_range(const ParameterRange& range, double learning_rate) {
  const auto begin = static_cast<std::size_t>(range.begin);
  const auto size = static_cast<std::size_t>(range.end - range.begin);
  const auto part = [&](const char* name) { return std::span(tensor(name)).subspan(begin, size); };
  const std::span<const float> gradient = gradient_.subspan(begin, size);
  const std::span<float> parameters = parameters_.subspan(begin, size);
  const double rate = learning_rate * range.learning_rate_factor;
  const double decay = options_.resolved_weight_decay() * range.weight_decay_factor;
  switch (options_.kind) {
    case OptimizerKind::Adam:
    case OptimizerKind::AdamW: {
      kernels::AdamStep step;
      step.learning_rate = rate;
      step.weight_decay = decay;
      step.decay_apart = options_.kind == OptimizerKind::AdamW;
      step.step = state_.steps;
      kernels::adam_step(step, gradient, parameters, part("exp_avg"), part("exp_avg_sq"));
      return;
    }
    case OptimizerKind::Adagrad: {
      kernels::AdagradStep step;
      step.learning_rate = rate;
      step.weight_decay = decay;
      kernels::adagrad_step(step, gradient, parameters, part("sum"));
      return;
    }
    case OptimizerKind::Rmsprop: {
      kernels::RmspropStep step;
      step.learning_rate = rate;
      step.weight_decay = decay;
      kernels::rmsprop_step(step, gradient, parameters, part("square_avg"));
      return;
    }
    case OptimizerKind::Ranger:
      break;
  }
  kernels::RangerStep step;
  step.learning_rate = rate;
  step.weight_decay = decay;
  step.step = state_.steps;
  kernels::ranger_step(step, gradient, parameters, part("exp_avg"), part("exp_avg_sq"),
                       part("slow"));
}

void Optimizer::restore(const OptimizerState& state) {
  OptimizerState restored;
  restored.steps = state.steps;
  for (const char* const name : tensor_names(options_.kind)) {
    const auto found = state.tensors.find(name);
    if (found == state.tensors.end()) {
      // Before the first step, older checkpoints lack the tensors of Adam: libtorch made them late.
      const bool zeros = options_.kind != OptimizerKind::Ranger;
      if (zeros && state.steps == 0 && state.tensors.empty()) {
        restored.tensors[name].assign(parameters_.size(), 0.0F);
        continue;
      }
      fail(ErrorCode::DataLoss, "the optimizer's state lacks '", name, "'");
    }
    if (found->second.size() != parameters_.size()) {
      fail(ErrorCode::DataLoss, "the optimizer's state '", name, "' has ", found->second.size(),
           " values instead of ", parameters_.size());
    }
    restored.tensors[name] = found->second;
  }
  state_ = std::move(restored);
}

}  // namespace jetcal::train
