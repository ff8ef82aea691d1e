// SPDX-License-Identifier: Apache-2.0
// Draws one panel into a ROOT pad.
#pragma once

#include <string>

#include "jetcal/analysis/figure.h"

namespace jetcal::analysis::detail {

/// Places a panel on its canvas: edges of the pad in parts of the canvas, margins in pixels.
struct Placement {
  double x_low = 0, y_low = 0, x_high = 1, y_high = 1;
  double left = 150, right = 40, bottom = 120, top = 60;
  double scale = 1;           ///< Of all text and markers.
  bool x_axis_text = true;    ///< Off for a panel that shares the axis of the one below.
  bool few_y_labels = false;  ///< For low panels.
};

/// Makes a pad in the current canvas of width x height pixels and draws the panel into it. The
/// canvas owns the pad, the pad what is in it.
void paint_panel(const Panel& panel, const Placement& placement, int width, int height);

/// Draws the line above the top pad: the program's name at the left, `label` at the right.
void paint_header(const std::string& label, const Placement& top, int width, int height);

}  // namespace jetcal::analysis::detail
