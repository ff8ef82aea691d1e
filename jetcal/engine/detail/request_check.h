// SPDX-License-Identifier: Apache-2.0
// Holds a request against what its model takes.
#pragma once

#include <cstdint>

#include "jetcal/base/error.h"
#include "jetcal/engine/detail/served_model_config.h"
#include "jetcal/engine/engine.h"

namespace jetcal::engine::detail {

/// Returns the batch size of a request that fits (1 for a model without batch dimension), or
/// InvalidArgument with a sentence in the words of Triton.
Result<std::int64_t> check_request(const InferRequest& request, const ServedModelConfig& config);

}  // namespace jetcal::engine::detail
