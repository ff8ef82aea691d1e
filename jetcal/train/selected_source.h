// SPDX-License-Identifier: Apache-2.0
// The jets of a source that take part in a training, with their weights.
#pragma once

#include <memory>
#include <vector>

#include "jetcal/data/row_selection.h"
#include "jetcal/train/jet_source.h"

namespace jetcal::train {

/// Narrows sources to the selected rows and appends the weights beside the features. Sources of
/// which all jets take part with weight 1 are handed on as they are. Throws InvalidArgument when a
/// split has no jets left.
JetSources select_jets(JetSources sources, data::RowSelection selection);

/// Appends one weight a row beside the features of `source`; without weights it is handed on as it
/// is.
std::unique_ptr<JetSource> weigh(std::unique_ptr<JetSource> source, std::vector<float> weights);

}  // namespace jetcal::train
