// SPDX-License-Identifier: Apache-2.0
// Which rows of a folder of shards take part in a training, and what they weigh.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "jetcal/data/data_rules.h"
#include "jetcal/data/dataset.h"
#include "jetcal/data/ingest.h"
#include "jetcal/data/reweighting.h"

namespace jetcal::data {

/// Accounts for the rows of a split: read is the sum of kept and the causes.
struct RowAccount {
  std::int64_t read = 0, kept = 0;
  std::int64_t selection_not_finite = 0, rejected_selection = 0, rejected_split_selection = 0;
  std::int64_t weight_not_finite = 0, not_in_fraction = 0;
  std::int64_t outside_reweighting = 0;  ///< Dropped, or kept with the factor 1 if so configured.
  double weight = 0;                     ///< Sum over the kept rows.
};

/// The rows of a split that take part.
struct SelectedRows {
  bool all = true;                 ///< Every row; `rows` is empty then.
  std::vector<std::int64_t> rows;  ///< Global rows of the Dataset, ascending.
  /// Beside the rows; empty: every jet weighs 1. One scale makes the mean over the training
  /// split 1.
  std::vector<float> weights;
  RowAccount account;
  std::map<std::string, RowAccount> groups;  ///< By name; empty when no input has a group.
};

/// What the rules make of a folder of shards; arrays are in the order of kSplits.
struct RowSelection {
  std::array<SelectedRows, 3> splits;
  double weight_scale = 1;                      ///< That the weights were multiplied with.
  std::vector<std::int64_t> reweighted_counts;  ///< As Reweighter::counts().
  std::int64_t num_capped = 0;                  ///< As Reweighter::num_capped().
  std::vector<std::string> applied_by_ingest;   ///< Fields that were not applied again.

  /// Tells whether the jets are those of the shards, each of weight 1.
  bool leaves_all() const noexcept;
};

/// Applies rules to the jets of a folder that ingest() wrote.
///
/// Expressions may use the jet columns, num_particles, and the observers of the shards. What ingest
/// has applied already, by the very same text, is not applied again, so that one section `data`
/// serves both. The weights are those that ingest stored, unless the rules give others. Throws
/// InvalidArgument for a name or group that the shards lack and for weights of a split that sum to
/// 0, and what Dataset::open() throws.
RowSelection select_rows(const std::filesystem::path& dir, const DataRules& rules,
                         const ReweightRules& reweighting);

/// Says what is left to do of rules after an ingest.
struct RulesLeft {
  DataRules rules;                             ///< Without what ingest applied by the same text.
  std::vector<std::string> applied_by_ingest;  ///< Fields that are done.
  bool nothing = false;                        ///< Every jet is kept with its stored weight.
};
RulesLeft rules_left(const DataRules& rules, const ReweightRules& reweighting,
                     const IngestReport& ingest);

/// Describes the accounts of a selection.
nlohmann::ordered_json to_json(const RowSelection& selection);

}  // namespace jetcal::data
