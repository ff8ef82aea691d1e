// SPDX-License-Identifier: Apache-2.0
// Draws one panel into a ROOT pad.
#pragma once

#include <string>

#include "jetcal/analysis/detail/figure_layout.h"
#include "jetcal/analysis/figure.h"

namespace jetcal::analysis::detail {

/// Makes a pad in the current canvas of width x height pixels and draws the panel into it. The
/// canvas owns the pad, the pad what is in it.
void paint_panel(const Panel& panel, const Placement& placement, const Head& head, int width,
                 int height);

/// Draws the line above the top pad: the program's name at the left, `label` at the right.
void paint_header(const std::string& label, const Placement& top, int width, int height);

}  // namespace jetcal::analysis::detail
