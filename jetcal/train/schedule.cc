// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/schedule.h"

#include <cmath>

#include "jetcal/base/error.h"

namespace jetcal::train {

std::string_view schedule_name(Schedule schedule) noexcept {
  return schedule == Schedule::Constant ? "constant" : "flat-decay";
}

Schedule parse_schedule(std::string_view name) {
  if (name == "constant") return Schedule::Constant;
  if (name == "flat-decay") return Schedule::FlatDecay;
  fail(ErrorCode::InvalidArgument, "schedule: expected constant or flat-decay, got '", name, "'");
}

double learning_rate_factor(Schedule schedule, std::int64_t epoch, std::int64_t epochs) {
  const std::int64_t decaying = epochs * 3 / 10;
  const std::int64_t decays = epoch - (epochs - decaying) + 1;
  if (schedule == Schedule::Constant || decaying == 0 || decays <= 0) return 1;
  return std::pow(0.01, static_cast<double>(decays) / static_cast<double>(decaying));
}

}  // namespace jetcal::train
