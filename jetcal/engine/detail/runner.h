// SPDX-License-Identifier: Apache-2.0
// Computes a request's outputs with one of the engines.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/engine/onnx_session.h"
#include "jetcal/engine/tensor.h"
#include "jetcal/models/model.h"

namespace jetcal::engine::detail {

/// Nanoseconds that the parts of one run took.
struct RunTimes {
  std::int64_t input_ns = 0, infer_ns = 0, output_ns = 0;
};

/// Runs one request at a time; one thread uses it.
class Runner {
 public:
  virtual ~Runner() = default;
  virtual std::string_view engine() const noexcept = 0;
  /// Shapes include the batch dimension, unknown sizes are -1.
  virtual const std::vector<TensorSpec>& inputs() const noexcept = 0;
  virtual const std::vector<TensorSpec>& outputs() const noexcept = 0;
  /// The inputs were checked against the model; `outputs` empty means all.
  virtual std::vector<Tensor> run(std::span<const TensorView> inputs,
                                  std::span<const std::string> outputs, RunTimes& times) = 0;
};

/// jetcal's own forward pass on ragged jets.
std::unique_ptr<Runner> make_native_runner(const models::Model& model);
/// ONNX Runtime.
std::unique_ptr<Runner> make_onnx_runner(OnnxSession session);

}  // namespace jetcal::engine::detail
