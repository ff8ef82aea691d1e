// SPDX-License-Identifier: Apache-2.0
// Counts and durations of a model version, with the fields of Triton's statistics extension.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jetcal/engine/latency_histogram.h"

namespace jetcal::engine {

/// Sums the durations of `count` events.
struct DurationSum {
  std::int64_t count = 0, ns = 0;
  void add(std::int64_t duration_ns, std::int64_t events = 1) noexcept {
    count += events;
    ns += duration_ns * events;
  }
};

/// Executions of one batch size.
struct BatchStatistics {
  std::int64_t batch_size = 0;
  DurationSum compute_input, compute_infer, compute_output;
};

/// A snapshot of one model version.
struct ModelStatistics {
  std::string name, version;
  std::int64_t last_inference_ms = 0;  ///< Since 1970; 0 before the first request.
  std::int64_t inference_count = 0;    ///< Jets (rows) inferred, failures not counted.
  std::int64_t execution_count = 0;    ///< Runs of the network, failures not counted.
  DurationSum success, fail;           ///< Requests, from arrival to reply.
  DurationSum queue, compute_input, compute_infer, compute_output;  ///< Of successful requests.
  std::vector<BatchStatistics> batches;                             ///< By rising batch size.
  std::int64_t pending = 0;                                         ///< Requests in the queue now.
  std::int64_t rejected = 0;   ///< Of the failed: the queue was full, or time was up in it.
  std::int64_t cancelled = 0;  ///< Of the failed: the client had given up.
  std::int64_t broken = 0;     ///< Of the failed: the network failed.
  /// Of successful requests: from arrival to reply, in the queue, and of the run they were part of.
  LatencyHistogram request_latency, queue_latency, infer_latency;
};

}  // namespace jetcal::engine
