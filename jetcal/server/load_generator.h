// SPDX-License-Identifier: Apache-2.0
// Asks a server of the protocol as many clients would, and measures how long they wait.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace jetcal::server {

struct LoadOptions {
  std::string host = "127.0.0.1";
  int port = 8000;
  std::string model, version;
  std::vector<std::int64_t> batch_sizes{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
  int connections = 1;
  double seconds = 5;  ///< Of measuring, for each batch size.
  double warmup_seconds = 0.5;
  /// Requests a second that arrive on their own (a Poisson process), whether or not earlier ones
  /// are answered. 0: each connection asks again when it has its answer.
  double rate = 0;
  bool ragged = false;  ///< Jets without padding, as pf_counts; jet networks of jetcal only.
  std::int64_t min_particles = 20, max_particles = 60;
  double timeout_seconds = 30;
  std::uint64_t seed = 1;
};

/// Throws InvalidArgument naming the field that is out of range.
void validate(const LoadOptions& options);

/// What one batch size took. Times are in microseconds.
struct LoadResult {
  std::int64_t batch_size = 0;
  std::int64_t requests = 0;                   ///< Answered with 200.
  std::map<std::string, std::int64_t> failed;  ///< By status or error, e.g. "503".
  double seconds = 0;
  double requests_per_second = 0, jets_per_second = 0;
  /// From when a request was due to the last byte of its answer. In an open loop it was due at its
  /// arrival, also when every connection was busy: waiting is not left out.
  double mean = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, p999 = 0, max = 0;
  double inference = 0;  ///< Mean time of the run of a request, by the server's statistics.
  double queue = 0;      ///< Mean time in the server's queue.
  double overhead = 0;   ///< mean - inference.
  double jets_per_execution = 0;
};

/// Runs every batch size in turn, after a warm-up; calls `progress` after each. Throws Unavailable
/// when the server cannot be reached, NotFound for an unknown model.
std::vector<LoadResult> generate_load(
    const LoadOptions& options, const std::function<void(const LoadResult&)>& progress = nullptr);

}  // namespace jetcal::server
