// SPDX-License-Identifier: Apache-2.0
// Turns what a command left in its work folder into a finished step.
#pragma once

#include "jetcal/pipeline/graph.h"
#include "jetcal/pipeline/store.h"

namespace jetcal::pipeline {

/// Where a step's standard output goes when an output is made of it.
inline constexpr const char* kStandardOutput = "stdout.txt";

/// Hashes and syncs the outputs of a command that ended well, and notes them in the work folder, so
/// that from now on only moving them is left. Throws NotFound for an output that is not there,
/// InvalidArgument for a value of another type.
void note_outputs(const Store& store, const Step& step, StepRecord record);

/// Moves noted outputs to the store, writes the record and removes the work folder; does nothing
/// and returns false where nothing was noted. Goes on where a kill cut it.
bool keep_noted(Store& store, const std::string& key);

/// Tells whether a step is finished, which it also is when all but keep_noted() was done.
bool is_kept(Store& store, const std::string& key);

}  // namespace jetcal::pipeline
