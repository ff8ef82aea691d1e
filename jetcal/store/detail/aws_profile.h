// SPDX-License-Identifier: Apache-2.0
// The configuration and credentials files that AWS tools share, and the profile that is chosen.
#pragma once

#include <map>
#include <string>

namespace jetcal::store::detail {

/// Returns a variable of the environment, "" where it is not set.
std::string variable(const char* name);

/// Holds the fields of one profile in both files.
struct AwsProfile {
  std::string name;                                ///< AWS_PROFILE, AWS_DEFAULT_PROFILE or default.
  bool named = false;                              ///< One of the variables asks for it.
  bool exists = false;                             ///< One of the files has it.
  std::string config_file, credentials_file;       ///< "" where the home folder is not known.
  std::map<std::string, std::string> config;       ///< [profile NAME] of the configuration file.
  std::map<std::string, std::string> credentials;  ///< [NAME] of the credentials file.
  /// A field of the credentials file, else of the configuration file, else "".
  std::string field(const std::string& key) const;
};

/// Reads AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, by default ~/.aws/config and
/// ~/.aws/credentials. Files that do not exist are empty. Fields of nested sections are left out.
AwsProfile read_aws_profile();

}  // namespace jetcal::store::detail
