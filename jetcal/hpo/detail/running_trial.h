// SPDX-License-Identifier: Apache-2.0
// One trial at work: its process, what it reports, and why it is to end.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/hpo/executor.h"
#include "jetcal/hpo/trial_process.h"

namespace jetcal::hpo::detail {

/// Why a trial was told to end before it did by itself.
enum class EndReason { None, Stopped, Paused, Time, Memory, Shutdown, Lost };

/// Drives one attempt of a trial. Its caller writes what became of it into the study.
class RunningTrial {
 public:
  RunningTrial(StudyStore& store, std::int64_t number, Share share, const TrialProgram& program,
               const ExecutorOptions& options);

  /// Reads new metrics and hands them to the study. Returns whether there was a report, be it of no
  /// number.
  bool read_metrics();
  /// Looks whether the process has ended. True when the whole attempt is over.
  bool advance();
  /// Asks it to end; kills it after the grace time.
  void end(EndReason reason);
  void enforce_limits(std::int64_t memory_bytes);

  std::int64_t number() const noexcept { return number_; }
  const Share& share() const noexcept { return share_; }
  EndReason reason() const noexcept { return reason_; }
  pid_t keeper() const noexcept { return process_.keeper(); }
  std::int64_t reached() const noexcept { return reached_; }
  const TrialPlace& place() const noexcept { return place_; }
  bool reached_budget() const noexcept { return place_.budget > 0 && reached_ >= place_.budget; }
  /// 0, or what it ended with.
  int status() const noexcept { return status_; }
  /// Tells whether its own program has ended and what it made is measured.
  bool measuring() const noexcept { return step_ > 0; }
  /// Tells whether the trial's own program ended with 0 and nothing is left to measure.
  bool whole() const noexcept {
    return status_ == 0 && step_ == 0 && (steps_.size() == 1 || (reached_budget() && !place_.last));
  }
  /// Forgets how the programs ended; to be called when the study knows.
  void forget_statuses() const;
  /// One sentence about a failure, with the last line of its errors.
  std::string failure() const;

 private:
  using Clock = std::chrono::steady_clock;
  void start_step();
  bool has_ended(const std::string& key, std::uintmax_t* log_size) const;
  std::filesystem::path status_file() const;
  std::string status_key() const;
  bool take(const std::vector<Metrics>& lines, bool earlier = false);
  bool take_line(const Metrics& printed, bool earlier);
  Metrics renamed(const Metrics& printed) const;
  std::int64_t resource_of(const Metrics& line);
  StudyStore& store_;
  const ExecutorOptions& options_;
  std::int64_t number_;
  Share share_;
  TrialPlace place_;
  std::vector<TrialStep> steps_;
  std::size_t step_ = 0;
  TrialProcess process_;
  bool ended_before_ = false;  // while its tuner was dead
  std::optional<MetricsFile> metrics_;
  std::int64_t reached_ = 0;
  std::map<std::int64_t, std::vector<double>> course_;  // as the study has it
  std::int64_t count_ = 0;                              // of the last line that had one
  std::int64_t failures_ = 0;
  std::int64_t lines_ = 0;  // that had an objective and no count
  Clock::time_point start_;
  std::optional<Clock::time_point> asked_;
  bool killed_ = false;
  EndReason reason_ = EndReason::None;
  int status_ = 0;
};

}  // namespace jetcal::hpo::detail
