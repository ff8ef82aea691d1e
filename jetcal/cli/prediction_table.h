// SPDX-License-Identifier: Apache-2.0
// Predictions as a table: a row for every jet of the input, in its order, with observers beside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "jetcal/cli/jet_correction.h"
#include "jetcal/data/data_rules.h"
#include "jetcal/data/dataset.h"
#include "jetcal/data/number_column.h"

namespace jetcal::cli {

/// Where the jets of a table come from, and what goes beside the predictions.
struct TableOptions {
  std::string input;           ///< A pattern of files, or a folder of shards.
  std::string tree;            ///< Of files, as for RootJetReader.
  std::string split = "test";  ///< Of shards; "all" takes every split.
  data::DataRules rules;       ///< Of which new variables and observers are used.
  std::string branch;          ///< Name of the corrected pT.
};

/// Tells whether the input is a folder of shards.
bool is_shard_folder(const std::string& input);

/// A table with its account.
struct PredictionTable {
  std::vector<data::NumberColumn> columns;
  CorrectedJets jets;
  std::vector<std::string> files;  ///< In the order of source_file.
  std::int64_t skipped_links = 0;
};

/// Predicts every jet of the input. Columns: source_file, source_entry, source_jet, the observers,
/// `y` (the network's output), the corrected pT, its relative `resolution` where the network
/// predicts one, `status` (of CorrectionStatus). Throws what the readers throw, and InvalidArgument
/// for an observer that bears the name of another column.
PredictionTable predict_table(const TableOptions& options, const NetworkUse& use,
                              std::int64_t batch_size, const PredictFunction& predict);

}  // namespace jetcal::cli
