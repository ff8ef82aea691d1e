// SPDX-License-Identifier: Apache-2.0
// The files that show a run to others: metrics in Katib's text format, TensorBoard events, history.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "jetcal/models/model.h"
#include "jetcal/train/history.h"

namespace jetcal::train {

/// Returns seconds since 1970 as RFC 3339, in UTC.
std::string rfc3339(double wall_time);

/// Returns the line "TIME epoch=1 train_loss=... ..." of an epoch, as Katib's StdOut and File
/// collectors read it; TIME is RFC 3339.
std::string metrics_line(const EpochRecord& epoch);
/// Returns the last line, with test_loss, no_correction_loss, best_constant_loss.
std::string metrics_line(const TestResult& test);

/// Keeps OUTPUT/metrics.txt, OUTPUT/tensorboard/events.out.tfevents.* and OUTPUT/history.json.
///
/// All three follow from the history alone, so a resumed run repeats no line and loses none.
class RunFiles {
 public:
  /// `start_time` (seconds since 1970) names the event file. `hyperparameters` is an object of JSON
  /// scalars for TensorBoard's tab HParams. `metrics_file`, if given, gets the metrics too: as
  /// lines of JSON objects of texts where it ends in .json or .jsonl, as metrics.txt otherwise.
  /// `data`, if given, is where the jets lie, for history.json.
  RunFiles(const std::filesystem::path& output, double start_time,
           nlohmann::json hyperparameters = nlohmann::json::object(),
           std::filesystem::path metrics_file = {}, std::string data = {});

  /// Brings the files to what the history says, whatever an earlier process left behind.
  void rewrite(const std::vector<EpochRecord>& history,
               const std::optional<TestResult>& test) const;
  /// Adds the last epoch of the history.
  void add_epoch(const std::vector<EpochRecord>& history) const;
  /// Adds the test result.
  void add_test(const std::vector<EpochRecord>& history, const TestResult& test) const;

  /// Writes OUTPUT/tensorboard/histograms/: weights and gradients tensor by tensor at the end of an
  /// epoch. `gradient` may be empty. Each epoch has its file, the same whenever it is written.
  void write_histograms(const EpochRecord& epoch, const models::Model& model,
                        std::span<const float> gradient) const;
  /// Writes OUTPUT/tensorboard/figures/: PNG files by their tags.
  void write_figures(const EpochRecord& epoch,
                     std::span<const std::pair<std::string, std::string>> figures) const;

  /// Removes the files of every run in `output`.
  static void remove(const std::filesystem::path& output);

 private:
  void write_history(const std::vector<EpochRecord>& history,
                     const std::optional<TestResult>& test) const;
  void write_metrics(const std::vector<EpochRecord>& history,
                     const std::optional<TestResult>& test) const;
  void add_line(const std::string& line) const;
  std::filesystem::path event_file(const char* folder, std::int64_t epoch) const;
  std::filesystem::path output_, metrics_, events_, history_, metrics_file_;
  nlohmann::json hyperparameters_;
  std::string data_;
  double start_time_;
};

}  // namespace jetcal::train
