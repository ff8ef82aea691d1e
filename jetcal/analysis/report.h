// SPDX-License-Identifier: Apache-2.0
// Writes an analysis to a folder: numbers, figures, an index page.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "jetcal/analysis/response_analysis.h"

namespace jetcal::analysis {

/// Returns every number of the analysis, with its definitions; NaN becomes null.
nlohmann::ordered_json to_json(const Analysis& analysis);

struct ReportOptions {
  std::string label;              ///< Text at the top right of every figure.
  nlohmann::ordered_json source;  ///< What was analyzed: free fields, kept in report.json.
};

/// Writes report.json, index.html and, per figure, PDF, PNG, SVG and JSON into `folder`, and
/// returns the content of report.json.
///
/// Everything is written to a folder beside it first and moved when it is complete, so a run that
/// fails leaves nothing behind; files of the same names are replaced, others stay. Throws
/// ResourceExhausted on a full disk.
nlohmann::ordered_json write_report(const Analysis& analysis, const ReportOptions& options,
                                    const std::filesystem::path& folder);

}  // namespace jetcal::analysis
