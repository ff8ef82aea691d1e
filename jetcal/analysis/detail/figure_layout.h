// SPDX-License-Identifier: Apache-2.0
// Where panels, notes and legends lie on a figure, in pixels.
#pragma once

#include <cstddef>
#include <vector>

#include "jetcal/analysis/figure.h"

namespace jetcal::analysis::detail {

/// Pixels of the PNG.
struct FigureSize {
  int width, height;
};
FigureSize figure_size(PanelLayout layout);

/// Places a panel on its canvas: edges of the pad in parts of the canvas, margins in pixels.
struct Placement {
  double x_low = 0, y_low = 0, x_high = 1, y_high = 1;
  double left = 150, right = 40, bottom = 120, top = 60;
  double scale = 1;           ///< Of all text, margins and markers.
  bool x_axis_text = true;    ///< Off for a panel that shares the axis of the one below.
  bool few_y_labels = false;  ///< For low panels.
};
std::vector<Placement> placements(PanelLayout layout);

/// Arranges the legend and the notes at the top of a panel; pixels before scaling.
struct Head {
  int legend_columns = 1, legend_rows = 0;
  double legend_width = 0;
  double legend_top = 0;    ///< From the upper edge of the axes.
  double part_of_axis = 0;  ///< Of its height, that notes and legend take.
};
Head lay_out_head(const Panel& panel, PanelLayout layout, std::size_t index);

}  // namespace jetcal::analysis::detail
