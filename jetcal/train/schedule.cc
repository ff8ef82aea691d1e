// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "jetcal/base/error.h"

namespace jetcal::train {

std::string_view schedule_name(Schedule schedule) noexcept {
  switch (schedule) {
    case Schedule::Constant:
      return "constant";
    case Schedule::FlatDecay:
      return "flat-decay";
    case Schedule::Steps:
      return "steps";
    case Schedule::FlatLinear:
      return "flat-linear";
    case Schedule::FlatCosine:
      return "flat-cosine";
    case Schedule::Cosine:
      return "cosine";
    case Schedule::OneCycle:
      break;
  }
  return "one-cycle";
}

Schedule parse_schedule(std::string_view name) {
  std::string names;
  for (const Schedule schedule : kSchedules) {
    if (name == schedule_name(schedule)) return schedule;
    names += (names.empty() ? "" : ", ") + std::string(schedule_name(schedule));
  }
  fail(ErrorCode::InvalidArgument, "schedule: expected one of ", names, ", got '", name, "'");
}

double ScheduleOptions::resolved_final_factor() const noexcept {
  if (final_factor) return *final_factor;
  switch (kind) {
    case Schedule::FlatDecay:
      return 0.01;
    case Schedule::FlatLinear:
    case Schedule::FlatCosine:
      return 1e-3;
    case Schedule::OneCycle:
      return 1 / (peak_ratio * 1e4);
    default:
      return 0;
  }
}

namespace {

void require(bool holds, const char* field, const char* range, double value) {
  if (!holds) fail(ErrorCode::InvalidArgument, field, " must be ", range, ", got ", value);
}

}  // namespace

void validate(const ScheduleOptions& options) {
  if (options.warmup_steps < 0) {
    fail(ErrorCode::InvalidArgument, "training.warmup_steps must not be negative, got ",
         options.warmup_steps);
  }
  require(options.warmup_start >= 0 && options.warmup_start <= 1, "training.warmup_start",
          "in [0, 1]", options.warmup_start);
  require(options.gamma > 0 && options.gamma <= 1, "training.gamma", "in (0, 1]", options.gamma);
  require(options.flat_part >= 0 && options.flat_part < 1, "training.flat_part", "in [0, 1)",
          options.flat_part);
  require(options.peak_at > 0 && options.peak_at < 1, "training.peak_at", "in (0, 1)",
          options.peak_at);
  require(options.peak_ratio >= 1 && std::isfinite(options.peak_ratio), "training.peak_ratio",
          "at least 1", options.peak_ratio);
  const double last = options.resolved_final_factor();
  require(last >= 0 && last <= 1, "training.final_lr_factor", "in [0, 1]", last);
  require(options.kind != Schedule::FlatDecay || last > 0, "training.final_lr_factor",
          "above 0 for flat-decay", last);
  for (std::size_t i = 0; i < options.milestones.size(); ++i) {
    if (options.milestones[i] < 1 ||
        (i > 0 && options.milestones[i] <= options.milestones[i - 1])) {
      fail(ErrorCode::InvalidArgument,
           "training.milestones must be rising numbers of epochs from 1, got ",
           options.milestones[i], " at place ", i + 1);
    }
  }
}

namespace {

// From 1 at 0 to 0 at 1.
double half_cosine(double part) { return 0.5 * (1 + std::cos(std::numbers::pi * part)); }

double flat_decay(double last, std::int64_t epoch, std::int64_t epochs) {
  const std::int64_t decaying = epochs * 3 / 10;
  const std::int64_t decays = epoch - (epochs - decaying) + 1;
  if (decaying == 0 || decays <= 0) return 1;
  return std::pow(last, static_cast<double>(decays) / static_cast<double>(decaying));
}

double steps(const ScheduleOptions& options, std::int64_t epoch, std::int64_t epochs) {
  std::vector<std::int64_t> milestones = options.milestones;
  if (milestones.empty()) {
    const auto third = static_cast<std::int64_t>(std::lround(static_cast<double>(epochs) / 3));
    milestones = {third, 2 * third};
  }
  const auto passed = std::count_if(milestones.begin(), milestones.end(),
                                    [epoch](std::int64_t at) { return at <= epoch; });
  return std::pow(options.gamma, static_cast<double>(passed));
}

double flat_then_down(const ScheduleOptions& options, double step, double total) {
  const double flat = total * options.flat_part - 1;
  if (step <= flat) return 1;
  const double part = (step - flat) / (total - flat);
  return std::max(options.resolved_final_factor(),
                  options.kind == Schedule::FlatLinear ? 1 - part : half_cosine(part));
}

double one_cycle(const ScheduleOptions& options, double step, double total) {
  const double peak = options.peak_at * total - 1;
  const double first = 1 / options.peak_ratio;
  if (step <= peak) return peak > 0 ? 1 + (first - 1) * half_cosine(step / peak) : 1;
  const double end = total - 1;
  const double begin = std::max(peak, 0.0);
  const double part = end > begin ? (step - begin) / (end - begin) : 1;
  const double last = options.resolved_final_factor();
  return last + (1 - last) * half_cosine(part);
}

double scheduled(const ScheduleOptions& options, const CoursePosition& position, double step,
                 double total) {
  const double last = options.resolved_final_factor();
  switch (options.kind) {
    case Schedule::FlatDecay:
      return flat_decay(last, position.epoch, position.epochs);
    case Schedule::Steps:
      return steps(options, position.epoch, position.epochs);
    case Schedule::FlatLinear:
    case Schedule::FlatCosine:
      return flat_then_down(options, step, total);
    case Schedule::Cosine:
      return last + (1 - last) * half_cosine(step / total);
    case Schedule::OneCycle:
      return one_cycle(options, step, total);
    case Schedule::Constant:
      break;
  }
  return 1;
}

}  // namespace

double learning_rate_factor(const ScheduleOptions& options, const CoursePosition& position) {
  const std::int64_t all = std::max<std::int64_t>(1, position.epochs * position.steps_per_epoch);
  const std::int64_t total = std::max<std::int64_t>(1, all - options.warmup_steps);
  const std::int64_t step =
      std::clamp<std::int64_t>(position.step - options.warmup_steps, 0, total);
  const double factor =
      scheduled(options, position, static_cast<double>(step), static_cast<double>(total));
  if (position.step >= options.warmup_steps) return factor;
  const double warm =
      static_cast<double>(position.step) / static_cast<double>(options.warmup_steps);
  return factor * (options.warmup_start + (1 - options.warmup_start) * warm);
}

}  // namespace jetcal::train
