// SPDX-License-Identifier: Apache-2.0
// Numbers that Optuna's journal uses (optuna.storages.journal, optuna.trial.TrialState).
#pragma once

#include "jetcal/hpo/trial.h"

namespace jetcal::hpo::detail {

enum JournalOperation {
  kCreateStudy = 0,
  kDeleteStudy = 1,
  kSetStudyUserAttribute = 2,
  kSetStudySystemAttribute = 3,
  kCreateTrial = 4,
  kSetParameter = 5,
  kSetState = 6,
  kSetIntermediate = 7,
  kSetUserAttribute = 8,
  kSetSystemAttribute = 9,
};
enum JournalState { kRunning = 0, kComplete = 1, kPruned = 2, kFailed = 3, kWaiting = 4 };

/// Returns what a state is there: paused trials are pruned ones.
JournalState journal_state(TrialState state);

/// User attributes of our exports: state of a trial, definition of the study.
inline constexpr const char* kOurState = "jetcal:state";
inline constexpr const char* kOurStudy = "jetcal:study";

}  // namespace jetcal::hpo::detail
