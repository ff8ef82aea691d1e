// SPDX-License-Identifier: Apache-2.0
// The end of the graph: from the numbers of the head's last layer to correction and resolution.
#pragma once

#include "jetcal/models/folded_model.h"
#include "jetcal/onnx/detail/graph_builder.h"

namespace jetcal::onnx::detail {

struct Predictions {
  Value y;           ///< [N, 1]
  Value resolution;  ///< [N, 1]; empty where the network predicts none.
};

/// Adds what models::read_head() and the calibration do. `outputs` [N, num_head_outputs] are those
/// of the last layer. Of a plain network nothing is added.
Predictions add_predictions(GraphBuilder& graph, const models::FoldedModel& network,
                            const Value& outputs, const Value& jet_features);

}  // namespace jetcal::onnx::detail
