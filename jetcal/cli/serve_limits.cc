// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/serve_limits.h"

#include "jetcal/cli/verb.h"

namespace jetcal::cli {
namespace {

constexpr double kLongest = 3600;

}  // namespace

void add_limit_flags(CLI::App& app, LimitFlags& flags) {
  app.add_option("--max-connections", flags.max_connections, "connections at a time (1024)");
  app.add_option("--max-header-bytes", flags.max_header_bytes,
                 "target and headers of one request (32 KiB)");
  app.add_option("--idle-timeout", flags.idle_timeout, "seconds between two requests (75)");
  app.add_option("--head-timeout", flags.head_timeout,
                 "seconds for the head of a request, and for a TLS handshake (10)");
  app.add_option("--stall-timeout", flags.stall_timeout,
                 "seconds after which a body or reply must keep the speed (30)");
  app.add_option("--min-bytes-per-second", flags.min_bytes_per_second, "that speed (1024)");
  app.add_option("--drain-timeout", flags.drain_timeout,
                 "seconds for requests in flight after SIGTERM (10)");
}

void set_limits(const CLI::App& app, const Config& config, LimitFlags flags,
                server::HttpOptions& http) {
  const auto count = [&](const char* name, std::size_t given, std::size_t& limit) {
    fill_from_config(app, config, name, given);
    limit = given;
  };
  const auto time = [&](const char* name, double given, std::chrono::milliseconds& limit) {
    fill_from_config(app, config, name, given);
    if (!(given > 0 && given <= kLongest))
      fail(ErrorCode::InvalidArgument, name, " must be above 0 and at most ", kLongest,
           " seconds, not ", given);
    limit = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(given));
  };
  count("max-connections", flags.max_connections, http.max_connections);
  count("max-header-bytes", flags.max_header_bytes, http.max_header_bytes);
  count("min-bytes-per-second", flags.min_bytes_per_second, http.min_bytes_per_second);
  time("idle-timeout", flags.idle_timeout, http.idle_timeout);
  time("head-timeout", flags.head_timeout, http.head_timeout);
  time("stall-timeout", flags.stall_timeout, http.stall_timeout);
  time("drain-timeout", flags.drain_timeout, http.drain_timeout);
}

}  // namespace jetcal::cli
