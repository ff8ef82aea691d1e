// SPDX-License-Identifier: Apache-2.0
// The page that a person opens: tables, figures, definitions and provenance in one HTML file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "jetcal/analysis/figure.h"
#include "jetcal/analysis/response_analysis.h"

namespace jetcal::analysis {

/// A figure with its image.
struct PageFigure {
  Figure figure;
  std::string png;  ///< Bytes of the file.
};

/// Writes the page; images are part of it, so the file can be sent alone. `source` is listed as
/// provenance, field by field.
std::string report_page(const Analysis& analysis, const nlohmann::ordered_json& source,
                        const std::vector<PageFigure>& figures);

}  // namespace jetcal::analysis
