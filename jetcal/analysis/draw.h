// SPDX-License-Identifier: Apache-2.0
// Draws figures with ROOT in batch mode: no display, no window.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "jetcal/analysis/figure.h"

namespace jetcal::analysis {

/// Draws `figure` to folder/NAME.pdf, .svg and .png, and returns the three file names.
///
/// `label` is the line at the top right, e.g. the energy or the sample. Sets ROOT's batch mode and
/// style for the process; not thread-safe. Throws ResourceExhausted when a file is not complete
/// afterwards (full disk), Internal when ROOT cannot write the format.
std::vector<std::string> draw(const Figure& figure, const std::string& label,
                              const std::filesystem::path& folder);

}  // namespace jetcal::analysis
