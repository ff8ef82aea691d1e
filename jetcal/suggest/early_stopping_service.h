// SPDX-License-Identifier: Apache-2.0
// Katib's early stopping service: the median rule.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace jetcal::suggest {

/// Where the services get at what Katib keeps elsewhere.
struct KatibAccess {
  /// Values of a metric of a trial, in the order of their times, from the database manager at
  /// `address` (host:port).
  std::function<std::vector<double>(const std::string& address, const std::string& trial,
                                    const std::string& metric)>
      metric_values;
  /// Marks a trial as stopped early in the cluster.
  std::function<void(const std::string& trial)> mark_stopped;
};

/// Answers api.v1.beta1.EarlyStopping with the algorithm "medianstop" (also "median" and
/// "jetcal-median"): a trial stops when, from its report `start_step` (4) on, it is worse than the
/// median, over the trials that succeeded, of the mean of their first `start_step` reports; there
/// is no rule before `min_trials_required` (3) of them. (Katib's own service takes the mean over
/// the trials, despite its name.) Keeps nothing. Messages and errors as SuggestionService.
class EarlyStoppingService {
 public:
  explicit EarlyStoppingService(KatibAccess access) : access_(std::move(access)) {}

  std::string get_early_stopping_rules(std::string_view request) const;
  /// Throws FailedPrecondition where there is no cluster to tell.
  std::string set_trial_status(std::string_view request) const;
  std::string validate_early_stopping_settings(std::string_view request) const;

 private:
  KatibAccess access_;
};

}  // namespace jetcal::suggest
