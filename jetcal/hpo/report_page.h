// SPDX-License-Identifier: Apache-2.0
// The report of a study as one HTML page that needs nothing else.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "jetcal/hpo/trial_table.h"

namespace jetcal::hpo {

/// Trials, parameters and work spans as the page reads them.
nlohmann::ordered_json to_json(const TrialTable& table);

/// Returns the page: best trials, history against trials and cost, parallel coordinates, slices,
/// importance, losses per category, intermediate curves, workers in time, all trials to sort and
/// filter. `report` is the document of `jetcal tune report --json`. Style, data and the chart
/// library (Apache ECharts) are inside: a browser asks no other host for anything. Throws
/// Unimplemented in a build without the library.
std::string report_page(const TrialTable& table, const nlohmann::ordered_json& report);

/// Writes index.html, report.json and trials.csv into a folder, all of them or none.
void write_report(const TrialTable& table, const nlohmann::ordered_json& report,
                  const std::filesystem::path& folder);

}  // namespace jetcal::hpo
