// SPDX-License-Identifier: Apache-2.0
// Runs a loop on several threads.
#pragma once

#include <cstdint>
#include <functional>

namespace jetcal {

/// Sets how many threads parallel_for uses from now on; 0 means every usable core. Not for use
/// inside a loop.
void set_num_threads(int num_threads);

/// Returns how many threads parallel_for uses.
int num_threads();

/// Calls body(begin, end) for disjoint ranges that cover [0, count), on the pool and the calling
/// thread.
///
/// Ranges are at least `grain` long (the last may be shorter) and depend only on count, grain and
/// num_threads(). A nested call runs on the calling thread. The first exception is rethrown after
/// all ranges ended.
void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body);

}  // namespace jetcal
