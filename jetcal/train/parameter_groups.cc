// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/parameter_groups.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"

namespace jetcal::train {
namespace {

bool matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

void require_match(const std::string& pattern, const models::Layout& layout) {
  const auto fits = [&pattern](const auto& slice) { return matches(pattern, slice.name); };
  if (std::any_of(layout.parameters.begin(), layout.parameters.end(), fits)) return;
  fail(ErrorCode::InvalidArgument, "no parameter of the network matches '", pattern,
       "'; its names are like '", layout.parameters.front().name, "' and '",
       layout.parameters.back().name, "'");
}

double factor_of(const std::vector<PatternFactor>& rules, const std::string& name) {
  double factor = 1;
  for (const PatternFactor& rule : rules) {
    if (matches(rule.pattern, name)) factor *= rule.factor;
  }
  return factor;
}

void require_usable(const std::vector<PatternFactor>& rules, const char* field,
                    const models::Layout& layout) {
  for (const PatternFactor& rule : rules) {
    require_match(rule.pattern, layout);
    if (!(rule.factor >= 0) || !std::isfinite(rule.factor)) {
      fail(ErrorCode::InvalidArgument, field, ": the factor of '", rule.pattern,
           "' must not be negative, got ", rule.factor);
    }
  }
}

}  // namespace

PatternFactor parse_pattern_factor(std::string_view text, std::string_view field) {
  const std::size_t at = text.rfind('=');
  PatternFactor rule;
  if (at != std::string_view::npos && at > 0) {
    rule.pattern = text.substr(0, at);
    const auto factor = parse_number<decltype(rule.factor)>(text.substr(at + 1));
    if (factor) {
      rule.factor = *factor;
      return rule;
    }
  }
  fail(ErrorCode::InvalidArgument, field, ": expected PATTERN=FACTOR, got '", text, "'");
}

bool matches_any(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&name](const std::string& pattern) { return matches(pattern, name); });
}

std::vector<ParameterRange> parameter_ranges(const ParameterRules& rules,
                                             const models::Layout& layout) {
  require_usable(rules.learning_rate, "training.lr_multipliers", layout);
  require_usable(rules.weight_decay, "training.weight_decay_multipliers", layout);
  for (const std::string& pattern : rules.freeze) require_match(pattern, layout);
  std::vector<ParameterRange> ranges;
  bool anything_trains = false;
  for (const models::TensorSlice& slice : layout.parameters) {
    const ParameterRange range{
        slice.offset, slice.offset + slice.size, factor_of(rules.learning_rate, slice.name),
        factor_of(rules.weight_decay, slice.name), matches_any(rules.freeze, slice.name)};
    anything_trains |= !range.frozen;
    const bool same = !ranges.empty() && ranges.back().end == range.begin &&
                      ranges.back().frozen == range.frozen &&
                      ranges.back().learning_rate_factor == range.learning_rate_factor &&
                      ranges.back().weight_decay_factor == range.weight_decay_factor;
    if (same) {
      ranges.back().end = range.end;
    } else {
      ranges.push_back(range);
    }
  }
  if (!anything_trains) {
    fail(ErrorCode::InvalidArgument,
         "training.freeze: every parameter is frozen, nothing is left to train");
  }
  return ranges;
}

}  // namespace jetcal::train
