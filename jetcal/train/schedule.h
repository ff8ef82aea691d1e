// SPDX-License-Identifier: Apache-2.0
// How the learning rate changes in the course of a run.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace jetcal::train {

/// Names a course of the learning rate.
enum class Schedule {
  Constant,
  FlatDecay,   ///< Flat for 70 % of the epochs, then exponential per epoch to 1 % (the paper's).
  Steps,       ///< Times gamma at each milestone: MultiStepLR, per epoch.
  FlatLinear,  ///< Flat, then a straight line to zero, per step.
  FlatCosine,  ///< Flat, then half a cosine to zero, per step.
  Cosine,      ///< Half a cosine: CosineAnnealingLR, per step.
  OneCycle,    ///< Up to the learning rate and down again: OneCycleLR with cosines, per step.
};
inline constexpr Schedule kSchedules[] = {
    Schedule::Constant,   Schedule::FlatDecay, Schedule::Steps,   Schedule::FlatLinear,
    Schedule::FlatCosine, Schedule::Cosine,    Schedule::OneCycle};

/// Returns "constant", "flat-decay", "steps", "flat-linear", "flat-cosine", "cosine" or
/// "one-cycle".
std::string_view schedule_name(Schedule schedule) noexcept;
/// Throws InvalidArgument for another name.
Schedule parse_schedule(std::string_view name);

/// Sets a schedule; what a kind does not use is ignored.
struct ScheduleOptions {
  Schedule kind = Schedule::FlatDecay;
  std::int64_t warmup_steps = 0;  ///< Steps of the straight line in front of the schedule ...
  double warmup_start = 1e-3;     ///< ... which begins at this part of the schedule's first rate.
  std::vector<std::int64_t> milestones;  ///< Steps: epochs from 0; empty: one and two thirds.
  double gamma = 0.1;                    ///< Steps.
  /// What is left at the end. FlatDecay 0.01, FlatLinear and FlatCosine 0.001 (no lower than
  /// that), Cosine 0, OneCycle 1 / (25 * 10^4).
  std::optional<double> final_factor;
  double flat_part = 0.7;  ///< FlatLinear and FlatCosine: of the steps.
  double peak_at = 0.3;    ///< OneCycle: part of the steps before the highest rate ...
  double peak_ratio = 25;  ///< ... which is this many times the first one.

  double resolved_final_factor() const noexcept;
};

/// Throws InvalidArgument naming the first field of the configuration that is out of range.
void validate(const ScheduleOptions& options);

/// Places a step in a run.
struct CoursePosition {
  std::int64_t epoch = 0, epochs = 1;          ///< `epoch` from 0.
  std::int64_t step = 0, steps_per_epoch = 1;  ///< `step` from 0, over all epochs.
};

/// Returns what the configured learning rate is multiplied with at a step.
///
/// Schedules per step count from the end of the warm-up, as behind PyTorch's SequentialLR; those
/// per epoch count epochs from the beginning, and the warm-up multiplies their first rates.
/// FlatDecay: the last D = floor(0.3 * epochs) epochs decay by final_factor^(1/D) each, the first
/// of them included. Fewer than four epochs have no decay. Positions behind the end are taken for
/// the end.
double learning_rate_factor(const ScheduleOptions& options, const CoursePosition& position);

}  // namespace jetcal::train
