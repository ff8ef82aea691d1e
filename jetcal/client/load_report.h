// SPDX-License-Identifier: Apache-2.0
// What a load measurement says, as JSON and as a page with the paper's Fig. 8: round trip,
// inference and overhead against the batch size.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "jetcal/client/load_generator.h"

namespace jetcal::client {

/// Returns a row of the report; times in microseconds.
nlohmann::ordered_json to_json(const LoadResult& result);

/// Returns the report of a run: server, model, loop, rate, form, and a row for each batch size.
nlohmann::ordered_json load_report(const LoadOptions& options, std::span<const LoadResult> results);

/// Returns a page that needs nothing else, with the runs of one or more reports on logarithmic
/// axes, each in a color of its own: round trip (mean; solid), inference (dashed) and overhead
/// (dotted) of a request; their table; and the reports as JSON in <script id="data"
/// type="application/json">. Throws InvalidArgument for a document that is no such report,
/// Unimplemented in a build without the chart library.
std::string load_page(std::span<const nlohmann::ordered_json> reports);

}  // namespace jetcal::client
