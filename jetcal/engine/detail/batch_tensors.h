// SPDX-License-Identifier: Apache-2.0
// Tensors that belong to a whole batch, as Triton defines them: ragged inputs, which are the
// elements of all requests in a row, batch_input, which says where each request's begin, and
// batch_output.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "jetcal/engine/tensor.h"

namespace jetcal::engine::detail {

/// Named as in Triton's ModelConfig, in its order.
enum class BatchInputKind {
  ElementCount,
  AccumulatedElementCount,
  AccumulatedElementCountWithZero,
  MaxElementCountAsShape,
  ItemShape,
  ItemShapeFlatten
};

/// An input of the model that the server fills in.
struct BatchInput {
  BatchInputKind kind = BatchInputKind::ElementCount;
  std::vector<std::string> targets;  ///< The model's inputs that get it.
  DataType type = DataType::Int32;   ///< Or FP32.
  std::string source;                ///< The input that it describes.
};

/// An output that is divided among the requests like an input: a dimension that the configuration
/// leaves open is the input's.
struct BatchOutput {
  std::string target, source;
  std::vector<std::int64_t> shape;  ///< With the batch dimension, -1 where it is open.
};

struct BatchTensors {
  std::vector<std::string> ragged;  ///< Inputs with allow_ragged_batch.
  std::vector<BatchInput> inputs;
  std::vector<BatchOutput> outputs;

  bool empty() const noexcept { return ragged.empty() && inputs.empty() && outputs.empty(); }
  bool is_ragged(const std::string& input) const noexcept;
  const BatchOutput* find_output(const std::string& name) const noexcept;
};

/// Reads allow_ragged_batch, batch_input and batch_output of a ModelConfig whose inputs and outputs
/// are `inputs` and `outputs`, without their batch dimension. Throws InvalidArgument naming the
/// field for what Triton refuses too.
BatchTensors read_batch_tensors(const nlohmann::ordered_json& config,
                                const std::vector<TensorSpec>& inputs,
                                const std::vector<TensorSpec>& outputs, const std::string& source);

/// Prints batch_input and batch_output as Triton's configuration extension does.
nlohmann::ordered_json batch_inputs_json(const BatchTensors& tensors);
nlohmann::ordered_json batch_outputs_json(const BatchTensors& tensors);

/// Returns how many dimensions a batch input has.
std::size_t batch_input_rank(BatchInputKind kind) noexcept;

/// Makes a batch input, with the name of its first target, from the shapes of its source in the
/// requests of a batch, each with its batch dimension. Throws InvalidArgument when a count does not
/// fit the type.
Tensor make_batch_input(const BatchInput& input,
                        const std::vector<std::vector<std::int64_t>>& shapes);

/// Returns the shape that a request gets of a batch output.
std::vector<std::int64_t> batch_output_shape(const BatchOutput& output,
                                             const std::vector<std::int64_t>& source_shape);

}  // namespace jetcal::engine::detail
