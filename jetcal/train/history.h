// SPDX-License-Identifier: Apache-2.0
// What a training run tells: one record an epoch, and the result at its end.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace jetcal::train {

/// Describes one finished epoch.
struct EpochRecord {
  std::int64_t epoch = 0;  ///< From 1.
  std::int64_t jets = 0;   ///< Trained on.
  double train_loss = 0;   ///< Mean over the epoch, each batch before its update, with dropout.
  double validation_loss = 0;
  double learning_rate = 0;
  double jets_per_second = 0;      ///< Training alone, without validation.
  double seconds = 0;              ///< Training and validation.
  double data_seconds = 0;         ///< Of training: spent waiting for jets.
  double data_cpu_seconds = 0;     ///< Processor time of the thread that prepared them.
  double wall_time = 0;            ///< End of the epoch, seconds since 1970.
  std::int64_t clipped_steps = 0;  ///< Updates whose gradient was beyond a bound.
  /// With an average of weights: losses of the weights themselves and of their average, one of
  /// which is validation_loss. 0 without.
  double raw_validation_loss = 0, ema_validation_loss = 0;
};
// With defaults: checkpoints of older runs lack the times of the data and what the course added.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(EpochRecord, epoch, train_loss, validation_loss,
                                                learning_rate, jets_per_second, seconds,
                                                data_seconds, data_cpu_seconds, wall_time, jets,
                                                clipped_steps, raw_validation_loss,
                                                ema_validation_loss)

/// Counts the jets of one split.
struct SplitCounts {
  std::int64_t jets = 0;
  std::int64_t rejected_jets = 0;      ///< |y| >= 1: in the denominator of the loss alone.
  std::int64_t dropped_particles = 0;  ///< Not usable, see edm::append_features.
  /// Values outside of the bounds of their feature, by its name; empty without bounds.
  std::map<std::string, std::int64_t> clipped = {};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SplitCounts, jets, rejected_jets, dropped_particles,
                                                clipped)

/// Compares the network with two predictions that need none, on the test split.
struct TestResult {
  double loss = 0;
  double no_correction_loss = 0;
  double best_constant_loss = 0;  ///< Of `constant`, the best one on the training split.
  double wall_time = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TestResult, loss, no_correction_loss, best_constant_loss,
                                   wall_time)

/// Describes a finished run.
struct TrainResult {
  std::int64_t num_parameters = 0;
  SplitCounts train, validation, test_jets;
  double constant = 0;
  std::vector<EpochRecord> epochs;
  std::int64_t best_epoch = 0;
  double best_validation_loss = 0;
  TestResult test;
  std::string fingerprint;     ///< Of the model, see models::fingerprint.
  bool stopped_early = false;  ///< Before all epochs: the validation loss no longer fell.

  /// Coverage of the predicted resolution and closure of the response on the test split, see
  /// performance_json(). Kept apart.
  nlohmann::ordered_json performance;

  // How this call came to it; not kept.
  bool was_finished = false;      ///< Nothing was trained: the run had ended before.
  std::int64_t resumed_step = 0;  ///< Steps that an earlier call had done; 0 for a fresh run.
  bool paused = false;            ///< After TrainOptions::pause_after: nothing is tested yet.

  /// Returns training speed over all epochs.
  double jets_per_second() const noexcept;
  /// Returns which part of the time of training was spent waiting for jets, in percent.
  double data_percent() const noexcept;
  /// Returns by how many percent the test loss is below `reference`.
  double gain_percent(double reference) const noexcept;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TrainResult, num_parameters, train, validation,
                                                test_jets, constant, epochs, best_epoch,
                                                best_validation_loss, test, fingerprint,
                                                stopped_early)

/// Returns the document that `jetcal train --json` prints.
nlohmann::ordered_json report(const TrainResult& result);

}  // namespace jetcal::train
