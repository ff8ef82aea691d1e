// SPDX-License-Identifier: Apache-2.0
// Placeholders and conditions inside of the texts of a PipelineSpec.
#pragma once

#include <string>
#include <vector>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

/// A condition of kfp in our own writing, and the inputs that it uses.
struct KfpCondition {
  std::string text;
  std::vector<std::string> inputs;
};

/// Rewrites `int(inputs.parameter_values['x']) > 3 && ...`. Throws with the place for anything else
/// than comparisons joined by &&, || and !.
KfpCondition read_kfp_condition(const std::string& text, const std::string& source, Position at);

/// The other way round, in CEL, as the backend evaluates it.
std::string write_kfp_condition(const Expression& condition);

/// Name of the input that holds the item of a loop, or a field of it.
std::string kfp_item_input(const std::string& field);

/// Reads words of a command: placeholders, Concat and IfPresent, which may stand for several words
/// or none. Throws with the place for placeholders that only exist on a cluster, and for commands
/// that grow too long.
std::vector<Word> read_kfp_words(const std::vector<Node>& texts, const Step& step,
                                 const std::string& source);

}  // namespace jetcal::pipeline
