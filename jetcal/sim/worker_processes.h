// SPDX-License-Identifier: Apache-2.0
// Runs numbered tasks in forked processes: PYTHIA is not safe to share between threads.
#pragma once

#include <cstdint>
#include <functional>

namespace jetcal::sim {

/// Hands the tasks that `next` returns (negative: none left) to `workers` processes.
///
/// `work` runs in a child, `next` and `done` in the calling process; tasks start in order and may
/// end in any. A child lives until there is no task left, so what `work` keeps by capture is
/// reused. An error of a child is thrown here with its code; a child that dies makes an Internal
/// error. All children are gone when the function returns or throws.
void run_in_processes(int workers, const std::function<std::int64_t()>& next,
                      const std::function<std::int64_t(std::int64_t task)>& work,
                      const std::function<void(std::int64_t task, std::int64_t result)>& done);

}  // namespace jetcal::sim
