// SPDX-License-Identifier: Apache-2.0
// Where a run stands, and how that becomes a checkpoint and back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/models/model.h"
#include "jetcal/train/checkpoint.h"
#include "jetcal/train/history.h"
#include "jetcal/train/optimizer.h"

namespace jetcal::train {

/// Holds all that a run needs to go on, besides its options and its data.
// NOLINTNEXTLINE(bugprone-exception-escape): moving nlohmann::json does not throw; tidy cannot see
// it
struct RunState {
  nlohmann::json identity;  ///< Of options and data; a run goes on only where it is the same.
  double start_time = 0;    ///< Seconds since 1970.

  // Learned from the training split before the first step.
  models::Standardisation standardisation;
  double constant = 0;
  SplitCounts train;

  // The next batch to do. Shuffles and dropout follow from seed, epoch and step alone.
  std::int64_t epoch = 0, batch = 0, step = 0;
  double epoch_error = 0;  ///< Sum of loss * jets over the batches done in this epoch.
  std::int64_t epoch_jets = 0;
  double epoch_seconds = 0, epoch_data_seconds = 0, epoch_data_cpu_seconds = 0;
  std::int64_t epoch_clipped_steps = 0;

  std::vector<float> parameters, buffers;
  std::vector<float> average_parameters, average_buffers;  ///< Empty without an average.
  OptimizerState optimizer;

  std::vector<EpochRecord> history;
  SplitCounts validation;
  std::int64_t best_epoch = 0;  ///< From 1; 0 before the first validation.
  double best_validation_loss = 0;
  std::vector<float> best_parameters, best_buffers;

  models::Calibration calibration;     ///< Of the best state; derived when the run ends.
  nlohmann::ordered_json performance;  ///< Tables of coverage and closure; set when the run ends.
  std::optional<TrainResult> result;   ///< Set when the run has ended.
};

Checkpoint to_checkpoint(const RunState& state);
/// Throws DataLoss when something is missing.
RunState from_checkpoint(const Checkpoint& checkpoint);

/// Names a field in which two runs differ, with both values.
struct FieldDifference {
  std::string field, first, second;
};
/// Returns the first field in which two identities differ.
std::optional<FieldDifference> first_difference(const nlohmann::json& first,
                                                const nlohmann::json& second);

/// Throws FailedPrecondition naming the first field in which the two runs differ.
void require_same_run(const nlohmann::json& stored, const nlohmann::json& asked,
                      const std::string& where);

}  // namespace jetcal::train
