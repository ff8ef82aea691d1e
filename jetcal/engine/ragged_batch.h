// SPDX-License-Identifier: Apache-2.0
// Jets as clients send them without padding: particles one after the other, and how many each has.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "jetcal/edm/features.h"
#include "jetcal/engine/tensor.h"
#include "jetcal/models/model_config.h"

namespace jetcal::engine {

/// Names the input that says how many particles each jet has.
inline constexpr std::string_view kCountsInput = "pf_counts";

/// Tells whether a request is ragged: it has pf_counts.
bool is_ragged(std::span<const TensorView> inputs) noexcept;

/// Checks the inputs of a ragged request: pf_counts [J] or [J, 1] INT32 or INT64, pf_features [P,
/// F] and jet_features [J, G] FP32, and, if they are there, pf_points [P, 2]. F and G are those of
/// `padded`, the inputs of the padded form with their batch dimension. Returns what is wrong in one
/// sentence, or nothing; num_jets is set when nothing is.
std::optional<std::string> check_ragged(std::span<const TensorView> inputs,
                                        std::span<const TensorSpec> padded, std::int64_t& num_jets);

/// Appends the jets of a ragged request, which check_ragged() has passed, to `jets`. Without
/// pf_points the points are features 2 and 3, which are the same numbers. Throws InvalidArgument,
/// `jets` as it was, when the counts have changed since: they may lie in memory that the client
/// writes.
void append_ragged(std::span<const TensorView> inputs, edm::FeatureBatch& jets);

/// Makes the inputs of a ragged request from jets: pf_counts as INT32, pf_features, jet_features.
std::vector<Tensor> make_ragged(const edm::FeatureView& jets);

}  // namespace jetcal::engine
