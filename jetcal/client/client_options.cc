// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/client_options.h"

#include "jetcal/base/error.h"

namespace jetcal::client {
namespace {

constexpr int kMaxConnections = 10000;
constexpr int kMaxRetries = 1000;

}  // namespace

void validate(const ClientOptions& options) {
  const auto check = [](bool good, const char* field, auto value) {
    if (!good) fail(ErrorCode::InvalidArgument, field, " is out of range: ", value);
  };
  const std::string& url = options.url;
  const std::size_t scheme = url.starts_with("http://") ? 7 : url.starts_with("https://") ? 8 : 0;
  if (scheme == 0 || scheme == url.size() || url[scheme] == '/' ||
      url.find_first_of(" \t\r\n?#") != std::string::npos)
    fail(ErrorCode::InvalidArgument, "the url must be http://host:port or https://host:port, not '",
         url, "'");
  if (options.tls.certificate.empty() != options.tls.key.empty())
    fail(ErrorCode::InvalidArgument,
         "a client certificate and its key belong together: give both or none");
  if (!options.token_file.empty() && !options.token_environment.empty())
    fail(ErrorCode::InvalidArgument,
         "the token comes from a file or from an environment variable, not from both");
  check(options.connections >= 1 && options.connections <= kMaxConnections, "connections",
        options.connections);
  check(options.retry.retries >= 0 && options.retry.retries <= kMaxRetries, "retries",
        options.retry.retries);
  check(options.retry.first_pause.count() >= 0, "first pause (ms)",
        options.retry.first_pause.count());
  check(options.retry.longest_pause >= options.retry.first_pause, "longest pause (ms)",
        options.retry.longest_pause.count());
  check(options.connect_timeout.count() > 0, "connect timeout (ms)",
        options.connect_timeout.count());
  check(options.deadline.count() > 0, "deadline (ms)", options.deadline.count());
}

}  // namespace jetcal::client
