// SPDX-License-Identifier: Apache-2.0
// Orders results of one or several objectives, with or without constraints.
#pragma once

#include <cstddef>
#include <vector>

#include "jetcal/hpo/trial.h"

namespace jetcal::hpo {

/// What came of a trial, every number such that less is better.
struct Outcome {
  std::vector<double> losses;  ///< Objectives, negated where they are maximised.
  double violation = 0;        ///< Sum of the constraints above 0; not a number counts as infinite.
  bool complete = true;        ///< False: the value of a trial that was stopped or paused.
  std::int64_t resource = 0;   ///< Of the report an incomplete outcome is taken from.
};

/// What a trial can teach.
enum class Standing {
  Pending,  ///< Nothing yet: waiting or running.
  Known,    ///< An outcome.
  Failed,   ///< That its values do not work: failed, or ended without a finite objective.
  Aside,    ///< Nothing that compares: it ended below the budget at which trials are judged.
};
/// A stopped or paused trial is known by its last report.
Standing standing_of(const Trial& trial);
/// The outcome of a trial that is known. Requires standing_of(trial) == Known.
Outcome outcome_of(const Trial& trial, const std::vector<Objective>& objectives);

/// Tells whether a is at least as good everywhere and better somewhere.
bool dominates(const std::vector<double>& a, const std::vector<double>& b);
/// Numbers the layers of points that only points of the layers before dominate, from 0.
std::vector<int> domination_layers(const std::vector<std::vector<double>>& losses);
/// Area between the points and a reference point that is worse than they are; two objectives.
/// Points beyond the reference do not count.
double hypervolume(std::vector<std::vector<double>> losses, const std::vector<double>& reference);

/// Indices of the outcomes, best first: those that keep the constraints, the complete ones first,
/// by layer, and in a layer by what each adds to the hypervolume (one objective: by loss); then
/// those that break them, by how much. Ties keep their order.
std::vector<std::size_t> order_of(const std::vector<Outcome>& outcomes);
/// The members of `which`, ordered in the same way by the outcomes that they are indices of.
std::vector<std::size_t> order_of(const std::vector<Outcome>& outcomes,
                                  std::vector<std::size_t> which);

/// Indices into history.trials of the complete trials that keep the constraints and that no other
/// one dominates, by the first objective; with one objective the best trial alone. Of equal trials
/// only the first counts.
std::vector<std::size_t> pareto_front(const History& history);

}  // namespace jetcal::hpo
