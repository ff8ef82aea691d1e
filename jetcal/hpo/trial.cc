// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/trial.h"

#include <algorithm>
#include <array>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::hpo {

namespace {

constexpr std::array<std::pair<TrialState, std::string_view>, 6> kStates{{
    {TrialState::Waiting, "waiting"},
    {TrialState::Running, "running"},
    {TrialState::Paused, "paused"},
    {TrialState::Complete, "complete"},
    {TrialState::Stopped, "stopped"},
    {TrialState::Failed, "failed"},
}};

}  // namespace

std::string_view to_string(TrialState state) noexcept {
  for (const auto& [known, word] : kStates)
    if (known == state) return word;
  return "unknown";
}

TrialState parse_trial_state(std::string_view word) {
  for (const auto& [state, known] : kStates)
    if (known == word) return state;
  fail(ErrorCode::InvalidArgument, "a trial has no state '", word, "'");
}

bool is_feasible(const Trial& trial) noexcept {
  return std::all_of(trial.constraints.begin(), trial.constraints.end(),
                     [](double excess) { return excess <= 0; });
}

}  // namespace jetcal::hpo
