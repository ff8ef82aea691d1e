// SPDX-License-Identifier: Apache-2.0
// The flags of jetcal serve that bound what clients may take: connections, headers, time.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>

#include "jetcal/base/config.h"
#include "jetcal/server/http_server.h"

namespace jetcal::cli {

/// Times are in seconds.
struct LimitFlags {
  std::size_t max_connections = 1024, max_header_bytes = 32768, min_bytes_per_second = 1024;
  double idle_timeout = 75, head_timeout = 10, stall_timeout = 30, drain_timeout = 10;
};

void add_limit_flags(CLI::App& app, LimitFlags& flags);
/// Sets the limits of `http` from flags and configuration. Throws InvalidArgument for a time that
/// is not above 0 and at most an hour.
void set_limits(const CLI::App& app, const Config& config, LimitFlags flags,
                server::HttpOptions& http);

}  // namespace jetcal::cli
