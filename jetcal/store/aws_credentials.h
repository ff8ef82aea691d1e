// SPDX-License-Identifier: Apache-2.0
// Who signs the requests to an S3 store.
#pragma once

#include <optional>
#include <string>

namespace jetcal::store {

/// Keys of an AWS account; the token belongs to temporary ones.
struct AwsCredentials {
  std::string access_key, secret_key, session_token;
  std::string source;  ///< Where they were found, for messages; never a value.
};

/// Looks for credentials where AWS tools do: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
/// AWS_SESSION_TOKEN, then the profile of AWS_PROFILE in the credentials and configuration files.
///
/// Nothing where none are there. Throws InvalidArgument for a key without its other half or a
/// profile that AWS_PROFILE names and no file has; Unimplemented for profiles that take a role, a
/// login or a program's answer.
std::optional<AwsCredentials> find_credentials();

}  // namespace jetcal::store
