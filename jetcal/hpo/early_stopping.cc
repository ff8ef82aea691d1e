// SPDX-License-Identifier: Apache-2.0
// The median rule: make_early_stopping.
#include <algorithm>
#include <cmath>
#include <limits>

#include "jetcal/base/error.h"
#include "jetcal/hpo/algorithm.h"
#include "jetcal/hpo/detail/settings.h"

namespace jetcal::hpo {

namespace {

class MedianRule final : public Algorithm {
 public:
  MedianRule(std::int64_t min_trials, std::int64_t start, bool maximise)
      : min_trials_(min_trials), start_(start), sign_(maximise ? -1 : 1) {}

  std::optional<Proposal> propose(const History& /*history*/) override { return std::nullopt; }

  // Golovin et al. 2017, 3.2.1: a trial stops when its best value so far is worse than the median
  // of the running averages of the others up to the same resource.
  bool should_stop(const History& history, const Trial& trial) const override {
    if (trial.course.empty() || trial.course.back().resource < start_) return false;
    const std::int64_t resource = trial.course.back().resource;
    std::vector<double> others;
    for (const Trial& other : history.trials) {
      // Only trials that got this far unhindered show what is usual.
      if (other.number == trial.number || other.state != TrialState::Complete) continue;
      const double average = average_until(other, resource);
      if (std::isfinite(average)) others.push_back(average);
    }
    if (static_cast<std::int64_t>(others.size()) < min_trials_) return false;
    const auto middle = others.begin() + static_cast<std::ptrdiff_t>(others.size() / 2);
    std::nth_element(others.begin(), middle, others.end());
    double median = *middle;
    if (others.size() % 2 == 0) median = (median + *std::max_element(others.begin(), middle)) / 2;
    return best_of(trial) > median;
  }

 private:
  double loss(const Report& report) const {
    return report.objectives.empty() ? std::numeric_limits<double>::quiet_NaN()
                                     : sign_ * report.objectives[0];
  }
  double average_until(const Trial& trial, std::int64_t resource) const {
    double sum = 0;
    int count = 0;
    for (const Report& report : trial.course) {
      if (report.resource > resource || !std::isfinite(loss(report))) continue;
      sum += loss(report);
      ++count;
    }
    return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / count;
  }
  double best_of(const Trial& trial) const {
    double best = std::numeric_limits<double>::infinity();
    for (const Report& report : trial.course)
      if (loss(report) < best) best = loss(report);  // false for what is no number
    return best;
  }

  std::int64_t min_trials_;
  std::int64_t start_;
  double sign_;
};

}  // namespace

std::unique_ptr<Algorithm> make_early_stopping(const std::string& name, const Settings& settings,
                                               const std::vector<Objective>& objectives) {
  if (name != "median")
    fail(ErrorCode::NotFound, "there is no early stopping '", name, "'; there is median");
  if (objectives.size() != 1)
    fail(ErrorCode::InvalidArgument, "early stopping needs one objective, not ", objectives.size());
  const detail::SettingReader reader("early stopping by the median",
                                     {{"min_trials", "3", "complete trials before any is stopped"},
                                      {"start", "4", "resource before which no trial is stopped"}},
                                     settings);
  return std::make_unique<MedianRule>(reader.integer("min_trials", 1, 1'000'000),
                                      reader.integer("start", 0, 1'000'000'000),
                                      objectives[0].maximise);
}

}  // namespace jetcal::hpo
