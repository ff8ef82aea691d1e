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
#include "jetcal/server/shared_memory.h"

namespace jetcal::server {

struct ServiceState;

/// Names the header that tells how many bytes of a body are JSON.
inline constexpr std::string_view kInferHeaderLength = "inference-header-content-length";

/// How one output goes back.
struct OutputPlan {
  std::string name;
  bool binary = false;        ///< HTTP: as bytes behind the JSON.
  std::uint64_t classes = 0;  ///< Of the classification extension; 0: the tensor itself.
  std::string region;         ///< Shared memory that takes the bytes; empty: the reply does.
  std::uint64_t offset = 0;   ///< In the region.
  SharedBytes memory;         ///< The part of it that the client offers.
};

/// An infer request and what is needed to answer it. The views in `request` point into `storage`
/// and into the body it was parsed from.
struct ParsedInfer {
  engine::InferRequest request;
  bool has_id = false;
  bool all_binary = false;                            ///< Outputs are binary unless said otherwise.
  std::vector<OutputPlan> outputs;                    ///< For each of request.outputs.
  std::vector<std::unique_ptr<std::byte[]>> storage;  ///< Tensors that came as numbers.
  std::vector<SharedBytes> regions;                   ///< Shared memory that holds inputs.

  /// Returns the plan of an output; one of all_binary for an output that was not named.
  OutputPlan plan_of(const std::string& output) const;
};

/// Reads the value of the header: nothing when it is absent. Throws InvalidArgument for text,
/// negative numbers and numbers over 2^40.
std::optional<std::size_t> infer_header_length(const HttpHead& head);

/// Parses a body whose first `json_length` bytes are JSON; `padding` readable bytes follow it, at
/// least BodyBuffer::kPadding. `model` is for error texts, which are Triton's where it has one;
/// without `state` no shared memory is known. Throws InvalidArgument for every defect, NotFound for
/// an unknown region.
ParsedInfer parse_infer(std::string_view body, std::size_t json_length,
                        const std::string& model = "", ServiceState* state = nullptr);

/// Makes a request of raw bytes for a model with one input. `batching` says that the first
/// dimension is the batch. Throws InvalidArgument when the shape cannot be deduced.
ParsedInfer raw_infer(std::string_view body, const engine::ModelMetadata& model, bool batching);

}  // namespace jetcal::server
