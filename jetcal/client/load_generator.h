// SPDX-License-Identifier: Apache-2.0
// Asks a server of the protocol as many clients would, and measures how long they wait.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "jetcal/client/client_options.h"
#include "jetcal/client/jet_client.h"
#include "jetcal/client/latency.h"

namespace jetcal::client {

struct LoadOptions {
  /// Which server. One request is under way on each of its connections; its retries are part of a
  /// request's time; its deadline ends a request.
  ClientOptions server;
  std::string model, version;
  std::vector<std::int64_t> batch_sizes{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
  double seconds = 5;  ///< Of measuring, for each batch size.
  double warmup_seconds = 0.5;
  /// Requests a second that arrive on their own (a Poisson process), whether or not earlier ones
  /// are answered. 0: each connection asks again when it has its answer.
  double rate = 0;
  JetForm form = JetForm::Padded;  ///< Of jets, for a jet network; other models get zeros.
  TensorCoding coding = TensorCoding::Binary;
  std::int64_t min_particles = 20, max_particles = 60;
  std::uint64_t seed = 1;  ///< Of jets and arrivals.
  /// Every reply of a batch size must be the same bytes; others count as failed. So it is with
  /// jetcal; servers that pad or join rows may round in another way each time.
  bool check_equal = false;
};

/// Throws InvalidArgument naming the field that is out of range.
void validate(const LoadOptions& options);

/// What one batch size took. Times are in microseconds.
struct LoadResult {
  std::int64_t batch_size = 0;
  std::map<std::string, std::int64_t> failed;  ///< By kind of error, e.g. "unavailable".
  double seconds = 0;                          ///< From the first request to the last reply.
  double requests_per_second = 0, jets_per_second = 0;
  /// From when a request was due to the last byte of its answer. In an open loop it was due at its
  /// arrival, also when every connection was busy: waiting is not left out.
  LatencySummary round_trip;
  LatencySummary refused;  ///< The same of requests that were refused for now.
  double inference = 0;    ///< Mean time of the run of a request, by the server's statistics.
  double queue = 0;        ///< Mean time in the server's queue.
  double overhead = 0;     ///< Mean round trip less inference.
  double jets_per_execution = 0;
};

/// Names what becomes of a request of an open loop that no connection could send until `deadline`
/// after the last arrival, in LoadResult::failed.
inline constexpr const char* kNotSent = "not sent";

/// Names replies that are not like the first one, in LoadResult::failed.
inline constexpr const char* kOtherReply = "other reply";

/// Runs every batch size in turn, after a warm-up; calls `progress` after each. Throws Unavailable
/// when the server cannot be reached, NotFound for an unknown model.
std::vector<LoadResult> generate_load(
    const LoadOptions& options, const std::function<void(const LoadResult&)>& progress = nullptr);

}  // namespace jetcal::client
