// SPDX-License-Identifier: Apache-2.0
// Reports of other verbs: their files, as a browser may have them, and the numbers of an analysis.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "jetcal/board/run_shelf.h"

namespace jetcal::board {

/// A report may run its own script and draw, and reach nothing: not the board, not another host.
inline constexpr std::string_view kReportPolicy =
    "sandbox allow-scripts allow-downloads allow-popups; default-src 'none'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Reads a file that lies directly in a report's folder. Throws NotFound for every other name, and
/// for links.
std::string read_report_file(const std::filesystem::path& folder, const std::string& name);

/// What a report says: {"kind": "analysis" or "search" or "other", ...its numbers}.
Json report_document(const std::filesystem::path& folder);

}  // namespace jetcal::board
