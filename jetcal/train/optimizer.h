// SPDX-License-Identifier: Apache-2.0
// Optimizers over one flat parameter buffer, with every bit of their state for a resume.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace jetcal::train {

/// Names an update rule.
enum class OptimizerKind {
  Adam,    ///< libtorch's, with its defaults.
  AdamW,   ///< libtorch's, with its defaults.
  Ranger,  ///< Lookahead (k = 6, alpha = 0.5) around RAdam (betas 0.95 and 0.999, epsilon 1e-5).
};

/// Returns "adam", "adamw" or "ranger".
std::string_view optimizer_name(OptimizerKind kind) noexcept;
/// Throws InvalidArgument for another name.
OptimizerKind parse_optimizer(std::string_view name);

/// Configures an optimizer.
struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::Ranger;
  double learning_rate = 1e-3;
  /// Absent: libtorch's default, 0.01 for AdamW and 0 otherwise. AdamW and Ranger decay weights
  /// apart from the gradient, Adam adds weight_decay * weight to it.
  std::optional<double> weight_decay;

  double resolved_weight_decay() const noexcept;
};

/// Holds what an optimizer knows besides the parameters.
struct OptimizerState {
  std::int64_t steps = 0;
  std::map<std::string, std::vector<float>> tensors;  ///< Moments; for Ranger the slow weights too.
};

/// Updates parameters from gradients. Not thread-safe.
class Optimizer {
 public:
  /// Works on memory of the caller, which must stay in place: reads `gradient`, updates
  /// `parameters`.
  Optimizer(const OptimizerOptions& options, std::span<float> parameters,
            std::span<float> gradient);
  ~Optimizer();

  void step(double learning_rate);
  OptimizerState state() const;
  /// Throws DataLoss when a tensor is missing or has another size. The caller restores the
  /// parameters.
  void restore(const OptimizerState& state);

  class Rule;

 private:
  std::unique_ptr<Rule> rule_;
};

}  // namespace jetcal::train
