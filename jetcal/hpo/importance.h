// SPDX-License-Identifier: Apache-2.0
// How much of the result each hyperparameter explains.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jetcal/hpo/trial_table.h"

namespace jetcal::hpo {

/// Settings of the random forest behind fANOVA.
struct ForestOptions {
  std::int64_t trees = 64;
  std::int64_t max_depth = 64;
  std::int64_t min_split = 2;  ///< A node with fewer trials is a leaf.
  std::uint64_t seed = 1;
};

/// Parts of the variance over the whole space; they add up to 1.
struct Importance {
  std::map<std::string, double> single;  ///< By parameter: of it alone.
  /// By two parameters, "a x b": of the two together beyond each alone.
  std::map<std::string, double> pairs;
  double rest = 0;        ///< Of three and more together.
  double out_of_bag = 0;  ///< R^2 of the forest on the trials that a tree has not seen: what its
                          ///< numbers are worth.
};

/// Functional analysis of variance (Hutter, Hoos and Leyton-Brown, ICML 2014): fits a forest of
/// regression trees to the metric and takes its variance apart, exactly, under the uniform
/// distribution over the space (in the logarithm where the parameter says so).
///
/// Counts trials that ended with a finite result and have the parameter; a parameter that a trial
/// lacks gets a level of its own ("absent"). Parameters with one value have no part.
/// Throws InvalidArgument when fewer than four trials have a result.
Importance fanova(const TrialTable& table, const std::string& metric,
                  const ForestOptions& options = {});

/// PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023): the Pearson divergence of each parameter's
/// density among the best `fraction` of the trials from that among all of them; the values add up
/// to 1 (or are all 0). Quick, and about good trials only. Errors as fanova.
std::map<std::string, double> ped_anova(const TrialTable& table, const std::string& metric,
                                        bool maximise, double fraction = 0.1);

}  // namespace jetcal::hpo
