// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/detail/aws_profile.h"

#include <cstdlib>
#include <fstream>
#include <string_view>

namespace jetcal::store::detail {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string file_of(const char* named_by, const char* below_home) {
  std::string named = variable(named_by);
  if (!named.empty()) return named;
  const std::string home = variable("HOME");
  return home.empty() ? "" : home + below_home;
}

// Returns whether the section is there.
bool read_section(const std::string& path, const std::string& section,
                  std::map<std::string, std::string>& fields) {
  std::ifstream file(path);
  bool inside = false, found = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('[')) {
      inside = trimmed(line) == section;
      found |= inside;
      continue;
    }
    const auto equals = line.find('=');
    const bool nested = line.starts_with(' ') || line.starts_with('\t');
    if (!inside || equals == std::string::npos || nested || line[0] == '#' || line[0] == ';')
      continue;
    fields[std::string(trimmed(std::string_view(line).substr(0, equals)))] =
        std::string(trimmed(std::string_view(line).substr(equals + 1)));
  }
  return found;
}

}  // namespace

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string AwsProfile::field(const std::string& key) const {
  for (const auto* const fields : {&credentials, &config}) {
    const auto found = fields->find(key);
    if (found != fields->end()) return found->second;
  }
  return {};
}

AwsProfile read_aws_profile() {
  AwsProfile profile;
  profile.name = variable("AWS_PROFILE");
  if (profile.name.empty()) profile.name = variable("AWS_DEFAULT_PROFILE");
  profile.named = !profile.name.empty();
  if (!profile.named) profile.name = "default";
  profile.config_file = file_of("AWS_CONFIG_FILE", "/.aws/config");
  profile.credentials_file = file_of("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
  const std::string in_config =
      profile.name == "default" ? "[default]" : "[profile " + profile.name + "]";
  profile.exists = read_section(profile.config_file, in_config, profile.config);
  profile.exists |=
      read_section(profile.credentials_file, "[" + profile.name + "]", profile.credentials);
  return profile;
}

}  // namespace jetcal::store::detail
