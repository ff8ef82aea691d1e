// SPDX-License-Identifier: Apache-2.0
// Optimizers over one flat parameter buffer, with every bit of their state for a resume.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/train/parameter_groups.h"

namespace jetcal::train {

/// Names an update rule. All but Ranger are PyTorch's, with PyTorch's defaults.
enum class OptimizerKind {
  Adam,
  AdamW,
  Adagrad,
  Rmsprop,
  Ranger,  ///< Lookahead (k = 6, alpha = 0.5) around RAdam (betas 0.95 and 0.999, epsilon 1e-5).
};

inline constexpr std::array<OptimizerKind, 5> kOptimizers{
    OptimizerKind::Adam, OptimizerKind::AdamW, OptimizerKind::Adagrad, OptimizerKind::Rmsprop,
    OptimizerKind::Ranger};

/// Returns "adam", "adamw", "adagrad", "rmsprop" or "ranger".
std::string_view optimizer_name(OptimizerKind kind) noexcept;
/// Returns PyTorch's default: 0.01 for AdaGrad and RMSprop, 0.001 otherwise.
double default_learning_rate(OptimizerKind kind) noexcept;
/// Throws InvalidArgument for another name.
OptimizerKind parse_optimizer(std::string_view name);

/// Configures an optimizer.
struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::Ranger;
  double learning_rate = 1e-3;
  /// Absent: PyTorch's default, 0.01 for AdamW and 0 otherwise. AdamW and Ranger decay weights
  /// apart from the gradient, the others add weight_decay * weight to it.
  std::optional<double> weight_decay;
  /// Which parameters differ from the others; empty: none.
  std::vector<ParameterRange> ranges = {};

  double resolved_weight_decay() const noexcept;
};

/// Holds what an optimizer knows besides the parameters.
struct OptimizerState {
  std::int64_t steps = 0;
  /// "exp_avg" and "exp_avg_sq" (Adam, AdamW, Ranger), "slow" (Ranger's slow weights), "sum"
  /// (AdaGrad), "square_avg" (RMSprop): PyTorch's names.
  std::map<std::string, std::vector<float>> tensors;
};

/// Updates parameters from gradients with kernels/optimizer_step.h. Not thread-safe; uses
/// parallel_for inside, and the bits do not depend on the number of threads.
class Optimizer {
 public:
  /// Works on memory of the caller, which must stay in place: reads `gradient`, updates
  /// `parameters`.
  Optimizer(const OptimizerOptions& options, std::span<float> parameters,
            std::span<const float> gradient);

  void step(double learning_rate);
  const OptimizerState& state() const noexcept { return state_; }
  /// Throws DataLoss when a tensor is missing or has another size; a state of no steps may lack all
  /// of them. The caller restores the parameters.
  void restore(const OptimizerState& state);

 private:
  std::vector<float>& tensor(const char* name) { return state_.tensors.at(name); }
  void step_range(const ParameterRange& range, double learning_rate);

  OptimizerOptions options_;
  std::span<float> parameters_;
  std::span<const float> gradient_;
  OptimizerState state_;
};

}  // namespace jetcal::train
