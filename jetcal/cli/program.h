// SPDX-License-Identifier: Apache-2.0
// Which program holds which verb: `jetcal` itself stays free of ROOT, libtorch and PYTHIA, so that
// it starts in milliseconds and a serving image needs none of them; heavy verbs live in programs
// beside it that it replaces itself with.
#pragma once

#include <vector>

#include "jetcal/cli/verb.h"

namespace jetcal::cli {

/// Runs the verb argv[1] of a helper program; used by the main function of each.
int run_program(const std::vector<Verb>& verbs, int argc, char** argv);

}  // namespace jetcal::cli
