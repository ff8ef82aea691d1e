// SPDX-License-Identifier: Apache-2.0
// What a kill -9 looks like from inside a training.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "jetcal/train/trainer.h"

namespace jetcal::train {

struct Killed : std::runtime_error {
  Killed() : std::runtime_error("killed") {}
};

/// Nothing runs any more after step `step`.
inline TrainHooks killed_after(std::int64_t step) {
  TrainHooks hooks;
  hooks.on_batch = [step](const BatchProgress& now) {
    if (now.step == step) throw Killed();
  };
  return hooks;
}

}  // namespace jetcal::train
