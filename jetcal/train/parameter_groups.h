// SPDX-License-Identifier: Apache-2.0
// Rules by names of tensors: other learning rates, other weight decay, none at all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/models/model.h"

namespace jetcal::train {

/// Multiplies something for the tensors whose name matches. Patterns know * and ?, as file names
/// in a shell: "head*.bias".
struct PatternFactor {
  std::string pattern;
  double factor = 1;
  bool operator==(const PatternFactor&) const = default;
};

/// Reads "PATTERN=FACTOR". Throws InvalidArgument, naming `field`, for anything else.
PatternFactor parse_pattern_factor(std::string_view text, std::string_view field);

/// Sets what differs from tensor to tensor. Of several rules that match one tensor all count.
struct ParameterRules {
  std::vector<PatternFactor> learning_rate, weight_decay;
  std::vector<std::string> freeze;  ///< These tensors keep their bits.

  bool any() const noexcept {
    return !learning_rate.empty() || !weight_decay.empty() || !freeze.empty();
  }
};

/// Says how the parameters [begin, end) of the flat buffer are updated.
struct ParameterRange {
  std::int64_t begin = 0, end = 0;
  double learning_rate_factor = 1, weight_decay_factor = 1;
  bool frozen = false;
};

/// Tells whether the name matches one of the patterns.
bool matches_any(const std::vector<std::string>& patterns, const std::string& name);

/// Cuts the flat buffer where the rules change; without rules it is one range. Throws
/// InvalidArgument for a pattern that matches no tensor, a factor that is negative or not finite,
/// and when nothing is left to train.
std::vector<ParameterRange> parameter_ranges(const ParameterRules& rules,
                                             const models::Layout& layout);

}  // namespace jetcal::train
