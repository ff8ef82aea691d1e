// SPDX-License-Identifier: Apache-2.0
// Computes a request's outputs with one of the engines.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/engine/detail/batch_tensors.h"
#include "jetcal/engine/engine.h"
#include "jetcal/engine/onnx_session.h"
#include "jetcal/engine/tensor.h"
#include "jetcal/models/model.h"
#include "jetcal/models/predictor.h"

namespace jetcal::engine::detail {

/// Nanoseconds that the parts of one run took.
struct RunTimes {
  std::int64_t input_ns = 0, infer_ns = 0, output_ns = 0;
};

/// One request of a batch, checked against the model.
struct RunRequest {
  std::span<const TensorView> inputs;
  std::span<const std::string> outputs;  ///< Empty: all.
  std::int64_t batch_size = 1;
};

/// Runs batches of requests; one thread uses it.
class Runner {
 public:
  virtual ~Runner() = default;
  virtual std::string_view engine() const noexcept = 0;
  /// Shapes include the batch dimension, unknown sizes are -1.
  virtual const std::vector<TensorSpec>& inputs() const noexcept = 0;
  virtual const std::vector<TensorSpec>& outputs() const noexcept = 0;
  /// Requests with the same key can run in one batch.
  virtual std::string merge_key(const InferRequest& request) const = 0;
  /// Runs all requests as one batch; returns the outputs of each.
  virtual std::vector<std::vector<Tensor>> run(std::span<const RunRequest> requests,
                                               RunTimes& times) = 0;
  /// Makes one more of the same model, for another thread; weights are shared.
  virtual std::unique_ptr<Runner> clone() const = 0;
};

/// jetcal's own forward pass on ragged jets. Throws Unimplemented for a precision that the CPU or
/// the network lacks.
std::unique_ptr<Runner> make_native_runner(const models::Model& model,
                                           const models::PredictorOptions& options);
/// ONNX Runtime. `tensors` says which inputs and outputs belong to whole batches.
std::unique_ptr<Runner> make_onnx_runner(OnnxSession session, BatchTensors tensors);

}  // namespace jetcal::engine::detail
