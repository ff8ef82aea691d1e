// SPDX-License-Identifier: Apache-2.0
// Reads the body of an infer request: JSON, binary tensors behind JSON, or raw bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/engine/engine.h"
#include "jetcal/server/http_message.h"

namespace jetcal::server {

/// Names the header that tells how many bytes of a body are JSON.
inline constexpr std::string_view kInferHeaderLength = "inference-header-content-length";

/// An infer request and what is needed to answer it. The views in `request` point into `storage`
/// and into the body it was parsed from.
struct ParsedInfer {
  engine::InferRequest request;
  bool has_id = false;
  bool all_binary = false;                            ///< Outputs are binary unless said otherwise.
  std::vector<bool> binary;                           ///< For each of request.outputs.
  std::vector<std::unique_ptr<std::byte[]>> storage;  ///< Tensors that came as JSON numbers.
};

/// Reads the value of the header: nothing when it is absent. Throws InvalidArgument for text,
/// negative numbers and numbers over 2^40.
std::optional<std::size_t> infer_header_length(const HttpHead& head);

/// Parses a body whose first `json_length` bytes are JSON; `padding` readable bytes follow it, at
/// least BodyBuffer::kPadding. Throws InvalidArgument with one sentence for every defect.
ParsedInfer parse_infer(std::string_view body, std::size_t json_length);

/// Makes a request of raw bytes for a model with one input. `batching` says that the first
/// dimension is the batch. Throws InvalidArgument when the shape cannot be deduced.
ParsedInfer raw_infer(std::string_view body, const engine::ModelMetadata& model, bool batching);

}  // namespace jetcal::server
