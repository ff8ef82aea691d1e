// SPDX-License-Identifier: Apache-2.0
// Holds an exported ONNX model against the native forward pass.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "jetcal/engine/onnx_session.h"
#include "jetcal/models/model.h"

namespace jetcal::engine {

struct VerifyOptions {
  std::vector<GraphOptimization> levels{GraphOptimization::Off, GraphOptimization::Basic,
                                        GraphOptimization::Extended, GraphOptimization::All};
  std::vector<std::int64_t> batch_sizes{1, 2, 7, 100};
  std::vector<std::int64_t> slots{1, 7, 40, 100, 150};  ///< P, the padded length.
  std::uint64_t seed = 1;
  double tolerance = 1e-4;             ///< Between ONNX Runtime and the native forward pass.
  double invariance_tolerance = 1e-5;  ///< Between two ways to send the same jet.
};

/// Largest |difference| over the jets of one case.
struct VerifyCase {
  GraphOptimization level = GraphOptimization::Off;
  std::int64_t batch_size = 0, slots = 0;
  double native = 0;   ///< ONNX Runtime against the native forward pass.
  double padding = 0;  ///< More padding, filled with NaN, against none.
  double order = 0;    ///< Particles shuffled and padding between them, against storage order.
};

struct VerifyReport {
  std::vector<VerifyCase> cases;
  double max_native = 0, max_padding = 0, max_order = 0;
  std::int64_t num_jets = 0;  ///< Jets compared.
  bool passed = false;
};

/// Runs random jets of 0 to P particles (one of each case has all P) through both; calls `progress`
/// after each case. A difference that is not a number counts as infinite.
VerifyReport verify_onnx(const std::filesystem::path& onnx_file, const models::Model& model,
                         const VerifyOptions& options = {},
                         const std::function<void(const VerifyCase&)>& progress = {});

}  // namespace jetcal::engine
