// SPDX-License-Identifier: Apache-2.0
// What happens to outputs before they are written: classes, shared memory.
#pragma once

#include "jetcal/engine/tensor.h"
#include "jetcal/server/infer_request.h"

namespace jetcal::server {

/// Replaces a tensor of numbers by its `classes` largest values a row of the batch, as the texts
/// "value:index" of the classification extension. Throws InvalidArgument for a tensor of strings.
engine::Tensor classify(const engine::Tensor& tensor, std::uint64_t classes, bool batched);

/// Writes a tensor to the shared memory that its plan names. Throws InvalidArgument when it does
/// not fit.
void place_in_memory(const OutputPlan& plan, const engine::Tensor& tensor);

}  // namespace jetcal::server
