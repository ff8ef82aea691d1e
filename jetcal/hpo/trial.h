// SPDX-License-Identifier: Apache-2.0
// One try of a search, and all of them so far.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/hpo/space.h"

namespace jetcal::hpo {

/// Where a trial stands. Terminal: Complete, Stopped, Failed.
enum class TrialState {
  Waiting,   ///< Proposed, not started, or to be started again.
  Running,   ///< A process works on it.
  Paused,    ///< Reached the budget it was given; its checkpoint can go on.
  Complete,  ///< Ended by itself; its last report counts.
  Stopped,   ///< Ended early because its course did not look good.
  Failed,    ///< Ended without a result.
};
std::string_view to_string(TrialState state) noexcept;
/// Throws InvalidArgument for a word that names no state.
TrialState parse_trial_state(std::string_view word);

/// The objectives after `resource` units (epochs) of work.
struct Report {
  std::int64_t resource = 0;
  std::vector<double> objectives;  ///< As measured; one per objective of the study.
};

/// What a trial is and what is known of it.
struct Trial {
  std::int64_t number = 0;  ///< From 0, in the order of proposal; never used twice.
  Assignment values;
  TrialState state = TrialState::Waiting;
  std::vector<Report> course;       ///< Ascending resources.
  std::vector<double> objectives;   ///< Final; empty unless Complete.
  std::vector<double> constraints;  ///< Measured minus allowed; at most 0 is good. May be empty.
  std::int64_t budget = 0;          ///< Resource it has been told to reach; 0: no limit.
  std::int64_t bracket = 0;         ///< Of Hyperband and BOHB.
};

/// Whether all constraints of a trial hold, those that were measured.
bool is_feasible(const Trial& trial) noexcept;

/// What is to be made better.
struct Objective {
  std::string metric;  ///< Name of a metric of the trial, e.g. "validation/loss".
  bool maximise = false;
};

/// All trials of a study, by number, with its objectives (one or two).
struct History {
  std::vector<Objective> objectives;
  std::vector<Trial> trials;
};

}  // namespace jetcal::hpo
