// SPDX-License-Identifier: Apache-2.0
// The blocks of a transformer as an ONNX graph on padded jets.
#pragma once

#include "jetcal/models/folded_model.h"
#include "jetcal/onnx/detail/graph_builder.h"

namespace jetcal::onnx::detail {

/// Names what the blocks need to know about the padded batch.
struct PaddedJets {
  Value rows;   ///< float [N * P, 6], features with zeros under the padding.
  Value plain;  ///< The same before the model's bounds: pairs are made of these.
  Value valid;  ///< bool [N, 1, P]
  Value shape;  ///< int64 [2]: N, P
};

/// Adds embedding, blocks and the last normalisation; returns rows [N * P, attention_units]. Rows
/// under the padding hold finite numbers without meaning.
Value add_transformer(GraphBuilder& graph, const PaddedJets& jets,
                      const models::FoldedModel& network);

}  // namespace jetcal::onnx::detail
