// SPDX-License-Identifier: Apache-2.0
// What Katib's webhook refuses in an Experiment (kubeflow.org/v1beta1), checked before it is sent.
#pragma once

#include <string>
#include <vector>

namespace jetcal::hpo {

/// Returns a sentence for each mistake, beginning with the field, e.g.
/// "spec.parallelTrialCount: must be at most maxTrialCount (5), is 10"; nothing for a manifest that
/// the webhook lets pass. Katib's definition has no schema, so that its API server takes any of
/// them, and types count too: numbers of a feasibleSpace are text.
///
/// Beyond the webhook, what it lets pass and the search then fails on: a trial whose metrics are
/// read from its output or a file needs `command`, because Katib wraps it in a shell; a range needs
/// numbers with min below max, above 0 where it is logarithmic; a choice needs a list; names of
/// parameters come once. Throws InvalidArgument with line and column for text that is no YAML
/// mapping.
std::vector<std::string> katib_mistakes(const std::string& manifest, const std::string& source);

}  // namespace jetcal::hpo
