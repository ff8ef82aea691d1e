// SPDX-License-Identifier: Apache-2.0
// Tensor bytes as JSON numbers, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "jetcal/engine/tensor.h"

namespace jetcal::client::detail {

/// Returns the elements as one flat array. Throws InvalidArgument for what JSON cannot hold; with
/// `lossy`, what is not finite is null instead.
nlohmann::ordered_json json_of_bytes(const engine::Tensor& tensor, bool lossy = false);

/// Reads `count` elements from a flat or nested array. Throws DataLoss naming the tensor when there
/// are more or fewer, or one is of another kind or out of range. null is NaN for FP32 and FP64.
std::vector<std::byte> bytes_of_json(const nlohmann::ordered_json& data, engine::DataType type,
                                     std::int64_t count, const std::string& name);

}  // namespace jetcal::client::detail
