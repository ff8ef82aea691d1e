// SPDX-License-Identifier: Apache-2.0
// Katib's experiments and trials as search spaces and histories, and proposals as its assignments.
#pragma once

#include <katib.pb.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/hpo/algorithm.h"

namespace jetcal::suggest::detail {

/// Labels of the trials of multi-fidelity searches: the trial that several of Katib's go on with,
/// its bracket, and the name of Katib's trial whose checkpoint the next one starts from.
inline constexpr const char* kTrialLabel = "jetcal-trial";
inline constexpr const char* kBracketLabel = "jetcal-bracket";
inline constexpr const char* kResumesLabel = "jetcal-resumes";

/// What an experiment asks for.
struct Search {
  std::string algorithm;  ///< A name of hpo::algorithm_names().
  hpo::Settings settings;
  std::uint64_t seed = 0;
  std::optional<hpo::SearchSpace> space;  ///< Without the resource; read_search sets it.
  std::vector<hpo::Objective> objectives;
  std::vector<std::string> order;  ///< Parameters as the experiment orders them, the resource too.
  /// Texts of the choices as the experiment writes them, by parameter.
  std::map<std::string, std::vector<std::string>> choices;
  std::string resource;         ///< Parameter that says how far a trial trains; empty: none.
  std::int64_t max_trials = 0;  ///< 0: not said.

  /// Makes the algorithm; throws as hpo::make_algorithm.
  std::unique_ptr<hpo::Algorithm> make() const;
};

/// Throws InvalidArgument naming parameter, field or setting.
Search read_search(const api::v1::beta1::Experiment& experiment);

/// Trials as a history for the search; `index` is how many were suggested before. Trials are in the
/// order in which they were suggested or, where labels do not tell, started.
struct KnownTrials {
  hpo::History history;
  /// Name of Katib's last trial with a result, by number of ours.
  std::map<std::int64_t, std::string> last_names;
  std::int64_t skipped = 0;  ///< Trials whose values are none of this space's; not in the history.
};
KnownTrials read_trials(const google::protobuf::RepeatedPtrField<api::v1::beta1::Trial>& trials,
                        const Search& search, std::int64_t index);

/// Texts of the values in the experiment's order.
void write_assignments(
    const Search& search, const hpo::Assignment& values, std::int64_t budget,
    google::protobuf::RepeatedPtrField<api::v1::beta1::ParameterAssignment>& assignments);

/// The value of the objective of a trial; nothing where Katib has none ("unavailable").
std::optional<double> objective_of(const api::v1::beta1::Trial& trial, const std::string& metric);

/// Reads a number, whole; throws InvalidArgument naming `what`.
double read_number(const std::string& text, const std::string& what);

}  // namespace jetcal::suggest::detail
