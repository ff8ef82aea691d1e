// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/aws_environment.h"

#include <array>
#include <filesystem>
#include <string>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"
#include "jetcal/store/detail/aws_profile.h"

namespace jetcal::store {
namespace {

using detail::variable;

void set_endpoint(AwsEnvironment& environment, const std::string& source, std::string url) {
  while (url.ends_with('/')) url.pop_back();
  const auto colons = url.find("://");
  const std::string scheme = url.substr(0, colons == std::string::npos ? 0 : colons);
  if (scheme != "http" && scheme != "https") {
    fail(ErrorCode::InvalidArgument, source, " must be a URL such as http://127.0.0.1:9000, got '",
         url, "'");
  }
  environment.scheme = scheme;
  environment.endpoint = url.substr(colons + 3);
  if (environment.endpoint.empty() || environment.endpoint.find('/') != std::string::npos)
    fail(ErrorCode::InvalidArgument, source, " must name a host without a path, got '", url, "'");
}

template <typename T>
void set_positive(const char* name, T& value) {
  const std::string text = variable(name);
  if (text.empty()) return;
  value = parse_number<T>(text).value_or(0);
  if (value < 1)
    fail(ErrorCode::InvalidArgument, name, " must be a positive number, got '", text, "'");
}

std::string find_ca_file() {
  for (const char* const name : {"AWS_CA_BUNDLE", "SSL_CERT_FILE"}) {
    std::string named = variable(name);
    if (named.empty()) continue;
    if (!std::filesystem::exists(named))
      fail(ErrorCode::NotFound, name, " names a file that does not exist: ", named);
    return named;
  }
  // The client's own default is that of the system where it was compiled.
  for (const char* const path :
       {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}) {
    if (std::filesystem::exists(path)) return path;
  }
  return {};
}

}  // namespace

AwsEnvironment read_aws_environment() {
  AwsEnvironment environment;
  const detail::AwsProfile profile = detail::read_aws_profile();
  const auto configured = [&profile](const char* field) {
    const auto found = profile.config.find(field);
    return found == profile.config.end() ? std::string() : found->second;
  };
  const std::array<std::pair<std::string, std::string>, 3> endpoints{
      {{"AWS_ENDPOINT_URL_S3", variable("AWS_ENDPOINT_URL_S3")},
       {"AWS_ENDPOINT_URL", variable("AWS_ENDPOINT_URL")},
       {"endpoint_url of " + profile.config_file, configured("endpoint_url")}}};
  for (const auto& [source, url] : endpoints) {
    if (url.empty()) continue;
    set_endpoint(environment, source, url);
    break;
  }
  environment.region = variable("AWS_REGION");
  if (environment.region.empty()) environment.region = variable("AWS_DEFAULT_REGION");
  if (environment.region.empty()) environment.region = configured("region");
  // A store of one's own has no region; without one the client would ask the metadata service.
  if (environment.region.empty() && !environment.endpoint.empty()) environment.region = "us-east-1";
  environment.ca_file = find_ca_file();
  set_positive("AWS_MAX_ATTEMPTS", environment.max_attempts);
  set_positive("JETCAL_S3_PART_BYTES", environment.part_bytes);
  return environment;
}

}  // namespace jetcal::store
