// SPDX-License-Identifier: Apache-2.0
// The jets of a source that take part in a training, with their weights.
#pragma once

#include "jetcal/data/row_selection.h"
#include "jetcal/train/jet_source.h"

namespace jetcal::train {

/// Narrows sources to the selected rows and appends the weights beside the features. Sources of
/// which all jets take part with weight 1 are handed on as they are. Throws InvalidArgument when a
/// split has no jets left.
JetSources select_jets(JetSources sources, data::RowSelection selection);

}  // namespace jetcal::train
