// SPDX-License-Identifier: Apache-2.0
// How the learning rate changes from epoch to epoch.
#pragma once

#include <cstdint>
#include <string_view>

namespace jetcal::train {

/// Names a course of the learning rate.
enum class Schedule {
  Constant,
  FlatDecay,  ///< Flat for 70 % of the epochs, then exponential per epoch to 1 % (the paper's).
};

/// Returns "constant" or "flat-decay".
std::string_view schedule_name(Schedule schedule) noexcept;
/// Throws InvalidArgument for another name.
Schedule parse_schedule(std::string_view name);

/// Returns what the initial learning rate is multiplied with in `epoch` (from 0) of `epochs`.
///
/// FlatDecay: the last D = floor(0.3 * epochs) epochs decay by 0.01^(1/D) each, the first of them
/// included, so that the last epoch runs at exactly 1 %. Fewer than four epochs have no decay.
double learning_rate_factor(Schedule schedule, std::int64_t epoch, std::int64_t epochs);

}  // namespace jetcal::train
