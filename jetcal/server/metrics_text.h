// SPDX-License-Identifier: Apache-2.0
// Counters in the Prometheus text format, with Triton's names.
#pragma once

#include <span>
#include <string>

#include "jetcal/engine/statistics.h"
#include "jetcal/server/http_server.h"

namespace jetcal::server {

inline constexpr const char* kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/// Prints one line per counter and model version, and jetcal_http_* for the server itself.
std::string metrics_text(std::span<const engine::ModelStatistics> models, const HttpCounters& http);

}  // namespace jetcal::server
