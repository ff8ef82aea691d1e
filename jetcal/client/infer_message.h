// SPDX-License-Identifier: Apache-2.0
// Infer requests and replies of the Open Inference Protocol v2, and their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/engine/tensor.h"

namespace jetcal::client {

/// How tensors travel.
enum class TensorCoding {
  Binary,  ///< Behind the JSON, every bit as it is.
  Json,    ///< As numbers, with the fewest digits that give them back; finite ones only.
};

/// Asks a model for outputs.
struct InferRequest {
  std::string model, version;  ///< version empty: the one that the server's policy chooses.
  std::string id;              ///< Comes back in the reply; may be empty.
  std::vector<engine::Tensor> inputs;
  std::vector<std::string> outputs;  ///< Empty: all of them.
  TensorCoding coding = TensorCoding::Binary;
  std::uint64_t priority = 0;    ///< 0: the model's default.
  std::uint64_t timeout_us = 0;  ///< In the server's queue; 0: the model's default.
};

/// A body with the length of its JSON part; they are equal where no tensor is binary.
struct EncodedRequest {
  std::string body;
  std::size_t json_length = 0;
};

/// Writes the body of a request. Throws InvalidArgument for a tensor whose bytes do not fill its
/// shape, and for values that JSON cannot hold (NaN, infinities, FP16, BF16, bytes that are no
/// UTF-8).
EncodedRequest encode(const InferRequest& request);

/// Reads inputs, outputs, id, priority and timeout of a request that is written as JSON, with its
/// data as numbers. Throws InvalidArgument for anything but that.
InferRequest parse_request(std::string_view json);

/// What a model answers.
struct InferReply {
  std::string model, version, id;
  std::vector<engine::Tensor> outputs;

  /// Finds an output; throws DataLoss when it is missing.
  const engine::Tensor& output(std::string_view name) const;
  /// Copies an output of FP32 of exactly that many elements; throws DataLoss when it is another.
  void copy(std::string_view name, std::span<float> values) const;
};

/// Returns a reply as the protocol's JSON, tensors as flat arrays, null for what is not finite.
nlohmann::ordered_json to_json(const InferReply& reply);

/// Reads the body of a reply, whose first json_length bytes are JSON (all of it, when there is no
/// such number). Throws DataLoss for anything but what the protocol says.
InferReply decode(std::string_view body, std::optional<std::size_t> json_length);

}  // namespace jetcal::client
