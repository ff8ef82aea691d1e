// SPDX-License-Identifier: Apache-2.0
// Times the native forward pass beside ONNX Runtime on the same jets, in one process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "jetcal/models/model.h"
#include "jetcal/models/predictor.h"

namespace jetcal::engine {

struct InferenceBenchOptions {
  std::vector<std::int64_t> batch_sizes{1, 32, 512};
  std::int64_t min_particles = 20, max_particles = 60;  ///< Of a jet, evenly spread.
  int min_rounds = 7;  ///< A round is one run of each engine, in turn.
  double seconds = 4;  ///< A case goes on until this has passed and min_rounds are done.
  std::uint64_t seed = 1;
  models::PredictorOptions predictor;
};

/// Latencies of one engine at one batch size, in microseconds.
struct Latency {
  double p50 = 0, p10 = 0, p90 = 0;
  double jets_per_second = 0;  ///< At the median.
};

struct InferenceBenchCase {
  std::int64_t batch_size = 0, rounds = 0, slots = 0;
  double particles_per_jet = 0;
  Latency native, onnxruntime;
  double max_difference = 0;  ///< Between their outputs.
};

/// Both get what their caller has at hand: the native pass ragged jets, ONNX Runtime padded
/// tensors. Both use num_threads() threads; ONNX Runtime runs at its highest optimisation level.
std::vector<InferenceBenchCase> bench_inference(const models::Model& model,
                                                const std::filesystem::path& onnx_file,
                                                const InferenceBenchOptions& options = {});

}  // namespace jetcal::engine
