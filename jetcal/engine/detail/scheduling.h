// SPDX-License-Identifier: Apache-2.0
// How the requests of a model wait and form batches: the dynamic_batching part of its
// configuration.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace jetcal::engine::detail {

/// What a priority level does with requests that wait.
struct QueuePolicy {
  bool delay_on_timeout = false;     ///< A request that is too late goes last instead of out.
  std::uint64_t timeout_us = 0;      ///< 0: none.
  bool allow_override = false;       ///< A request may set a shorter timeout.
  std::uint64_t max_queue_size = 0;  ///< Requests of the level; 0: no limit.
};

struct Scheduling {
  bool batching = false;                ///< Several requests may form one batch.
  std::vector<std::int64_t> preferred;  ///< Batch sizes to run at once, rising.
  std::uint64_t max_delay_us = 0;       ///< How long the oldest request waits for a larger batch.
  std::uint64_t levels = 0;             ///< Priority levels 1 (first) to this; 0: one level.
  std::uint64_t default_level = 0;
  QueuePolicy default_policy;
  std::map<std::uint64_t, QueuePolicy> policies;

  /// Returns the level a request belongs to; one that does not exist is the default.
  std::uint64_t level_of(std::uint64_t priority) const noexcept;
  const QueuePolicy& policy_of(std::uint64_t level) const noexcept;
  /// Returns the time a request may wait in microseconds; 0: for ever.
  std::uint64_t timeout_of(std::uint64_t level, std::uint64_t asked_us) const noexcept;
};

/// Reads the member dynamic_batching of a ModelConfig; without it requests run one by one. Throws
/// InvalidArgument naming the field for values that contradict each other.
Scheduling read_scheduling(const nlohmann::ordered_json& config, std::int64_t max_batch_size,
                           const std::string& source);

}  // namespace jetcal::engine::detail
