// SPDX-License-Identifier: Apache-2.0
// The one interface of all search algorithms: what to try next, and whether to go on.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/hpo/trial.h"

namespace jetcal::hpo {

/// What an algorithm wants done next.
struct Proposal {
  std::optional<std::int64_t> resume;  ///< Number of a paused trial that goes on; else a new one.
  Assignment values;                   ///< Of the new trial.
  std::int64_t budget = 0;             ///< Resource to reach; 0: until it ends by itself.
  bool last = true;  ///< Having reached it, the trial is Complete; if false, Paused.
  std::int64_t bracket = 0;
};

/// Chooses trials. Knows nothing but what it is given: a proposal is a function of the space, the
/// settings, the seed and the history, running trials included, so that any process, or the next
/// one after a crash, goes on alike. An object may keep what it computed to be quick, never to
/// decide; so all histories given to one object have the same values under the same trial number.
/// Not thread-safe.
class Algorithm {
 public:
  virtual ~Algorithm() = default;
  /// Returns the next trial, or nothing where none makes sense now: a grid is used up, or a rung
  /// waits for trials that run.
  virtual std::optional<Proposal> propose(const History& history) = 0;
  /// Counts the trials that ended and that the last proposal was made without, because a model of
  /// all of them would cost too much. Default: 0.
  virtual std::int64_t left_out() const { return 0; }
  /// Tells whether a running trial should end now, after its last report. Default: never.
  virtual bool should_stop(const History& history, const Trial& trial) const;
};

/// Numbers and words by name, as a user or Katib gives them.
using Settings = std::map<std::string, std::string>;

/// Describes a setting for help texts and checks.
struct SettingInfo {
  std::string name;
  std::string fallback;
  std::string help;
};

/// Names of all algorithms: grid, random, sobol, tpe, gp, cmaes, asha, hyperband, bohb.
std::vector<std::string> algorithm_names();
/// Throws NotFound for another name, with the names there are.
std::vector<SettingInfo> algorithm_settings(const std::string& name);
/// Throws NotFound for another name, InvalidArgument for a setting that is unknown or out of range
/// and for a space or objectives that the algorithm cannot search.
std::unique_ptr<Algorithm> make_algorithm(const std::string& name, const Settings& settings,
                                          const SearchSpace& space,
                                          const std::vector<Objective>& objectives,
                                          std::uint64_t seed);

/// Stops trials whose best value so far is worse than the median of others at the same resource
/// (Golovin et al. 2017, section 3.2.1): "median", with `min_trials` (3) and `start` (4).
std::unique_ptr<Algorithm> make_early_stopping(const std::string& name, const Settings& settings,
                                               const std::vector<Objective>& objectives);

}  // namespace jetcal::hpo
