// SPDX-License-Identifier: Apache-2.0
// Folds layer normalisations and standardisation into the linear layers of a transformer.
#pragma once

#include <span>

#include "jetcal/models/detail/wide_dense.h"

namespace jetcal::models::detail {

/// `input` standardises the particle features; an empty one does nothing. The last normalisation
/// keeps its scale and shift: a jet without particles is pooled to zeros, not to the shift.
FoldedTransformer fold_transformer(const TransformerSlots& slots, std::span<const float> parameters,
                                   const Affine& input);

}  // namespace jetcal::models::detail
