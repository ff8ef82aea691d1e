// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/history.h"

namespace jetcal::train {

// Older runs, whose epochs all have all jets, do not count them.
static double jets_of(const EpochRecord& epoch, const TrainResult& result) noexcept {
  return static_cast<double>(epoch.jets > 0 ? epoch.jets : result.train.jets);
}

static double training_seconds(const TrainResult& result) noexcept {
  double seconds = 0;
  for (const EpochRecord& epoch : result.epochs) {
    if (epoch.jets_per_second > 0) seconds += jets_of(epoch, result) / epoch.jets_per_second;
  }
  return seconds;
}

double TrainResult::jets_per_second() const noexcept {
  const double seconds = training_seconds(*this);
  double jets = 0;
  for (const EpochRecord& epoch : epochs) jets += jets_of(epoch, *this);
  return seconds > 0 ? jets / seconds : 0;
}

double TrainResult::data_percent() const noexcept {
  const double seconds = training_seconds(*this);
  double waiting = 0;
  for (const EpochRecord& epoch : epochs) waiting += epoch.data_seconds;
  return seconds > 0 ? 100 * waiting / seconds : 0;
}

double TrainResult::gain_percent(double reference) const noexcept {
  return reference > 0 ? 100 * (1 - test.loss / reference) : 0;
}

nlohmann::ordered_json report(const TrainResult& result) {
  nlohmann::ordered_json epochs = nlohmann::ordered_json::array();
  for (const EpochRecord& epoch : result.epochs) {
    epochs.push_back({{"epoch", epoch.epoch},
                      {"jets", epoch.jets},
                      {"train_loss", epoch.train_loss},
                      {"validation_loss", epoch.validation_loss},
                      {"learning_rate", epoch.learning_rate},
                      {"jets_per_second", epoch.jets_per_second},
                      {"seconds", epoch.seconds},
                      {"data_seconds", epoch.data_seconds},
                      {"data_cpu_seconds", epoch.data_cpu_seconds},
                      {"clipped_steps", epoch.clipped_steps}});
    if (epoch.ema_validation_loss > 0) {
      epochs.back()["raw_validation_loss"] = epoch.raw_validation_loss;
      epochs.back()["ema_validation_loss"] = epoch.ema_validation_loss;
    }
  }
  if (result.paused) {
    return {{"parameters", result.num_parameters},
            {"epochs", epochs},
            {"paused", true},
            {"best_epoch", result.best_epoch},
            {"best_validation_loss", result.best_validation_loss},
            {"jets_per_second", result.jets_per_second()},
            {"resumed_step", result.resumed_step}};
  }
  return {{"parameters", result.num_parameters},
          {"jets",
           {{"train", result.train.jets},
            {"validation", result.validation.jets},
            {"test", result.test_jets.jets}}},
          {"rejected_jets",
           {{"train", result.train.rejected_jets},
            {"validation", result.validation.rejected_jets},
            {"test", result.test_jets.rejected_jets}}},
          {"dropped_particles",
           {{"train", result.train.dropped_particles},
            {"validation", result.validation.dropped_particles},
            {"test", result.test_jets.dropped_particles}}},
          {"clipped_values",
           {{"train", result.train.clipped},
            {"validation", result.validation.clipped},
            {"test", result.test_jets.clipped}}},
          {"epochs", epochs},
          {"stopped_early", result.stopped_early},
          {"best_epoch", result.best_epoch},
          {"best_validation_loss", result.best_validation_loss},
          {"test_loss", result.test.loss},
          {"baselines",
           {{"no_correction", result.test.no_correction_loss},
            {"best_constant", result.test.best_constant_loss},
            {"constant", result.constant}}},
          {"gain_percent",
           {{"over_no_correction", result.gain_percent(result.test.no_correction_loss)},
            {"over_best_constant", result.gain_percent(result.test.best_constant_loss)}}},
          {"jets_per_second", result.jets_per_second()},
          {"data_percent", result.data_percent()},
          {"performance", result.performance},
          {"fingerprint", result.fingerprint},
          {"was_finished", result.was_finished},
          {"resumed_step", result.resumed_step}};
}

}  // namespace jetcal::train
