// SPDX-License-Identifier: Apache-2.0
// The files that show a run to others: metrics in Katib's text format, TensorBoard events, history.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/train/history.h"

namespace jetcal::train {

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
  /// `start_time` (seconds since 1970) names the event file.
  RunFiles(const std::filesystem::path& output, double start_time);

  /// Brings the files to what the history says, whatever an earlier process left behind.
  void rewrite(const std::vector<EpochRecord>& history,
               const std::optional<TestResult>& test) const;
  /// Adds the last epoch of the history.
  void add_epoch(const std::vector<EpochRecord>& history) const;
  /// Adds the test result.
  void add_test(const std::vector<EpochRecord>& history, const TestResult& test) const;

  /// Removes the files of every run in `output`.
  static void remove(const std::filesystem::path& output);

 private:
  void write_history(const std::vector<EpochRecord>& history,
                     const std::optional<TestResult>& test) const;
  std::filesystem::path metrics_, events_, history_;
  double start_time_;
};

}  // namespace jetcal::train
