// SPDX-License-Identifier: Apache-2.0
// The networks as ONNX graphs: particles are rows [N * P, C] wherever a linear layer works on them.
#pragma once

#include "jetcal/models/folded_model.h"
#include "jetcal/onnx/detail/graph_builder.h"

namespace jetcal::onnx::detail {

/// Adds the whole network, inputs and output included.
void add_network(GraphBuilder& graph, const models::FoldedModel& network);

}  // namespace jetcal::onnx::detail
