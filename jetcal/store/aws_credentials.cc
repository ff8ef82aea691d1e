// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/aws_credentials.h"

#include "jetcal/base/error.h"
#include "jetcal/store/detail/aws_profile.h"

namespace jetcal::store {

using detail::variable;

std::optional<AwsCredentials> find_credentials() {
  const std::string access = variable("AWS_ACCESS_KEY_ID"),
                    secret = variable("AWS_SECRET_ACCESS_KEY");
  if (access.empty() != secret.empty()) {
    fail(ErrorCode::InvalidArgument, access.empty() ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
         " is not set, though its other half ",
         access.empty() ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID", " is");
  }
  if (!access.empty())
    return AwsCredentials{access, secret, variable("AWS_SESSION_TOKEN"), "AWS_ACCESS_KEY_ID"};
  const detail::AwsProfile profile = detail::read_aws_profile();
  if (profile.named && !profile.exists) {
    fail(ErrorCode::InvalidArgument, "the profile ", profile.name, " is neither in ",
         profile.credentials_file, " nor in ", profile.config_file);
  }
  const std::string source = "the profile " + profile.name;
  AwsCredentials found{profile.field("aws_access_key_id"), profile.field("aws_secret_access_key"),
                       profile.field("aws_session_token"), source};
  if (found.access_key.empty() != found.secret_key.empty()) {
    fail(ErrorCode::InvalidArgument, source, " has no ",
         found.access_key.empty() ? "aws_access_key_id" : "aws_secret_access_key",
         " beside its other half");
  }
  if (!found.access_key.empty()) return found;
  for (const char* const field :
       {"role_arn", "sso_session", "sso_start_url", "credential_process"}) {
    if (!profile.field(field).empty()) {
      fail(ErrorCode::Unimplemented, source, " has ", field,
           " and no keys; put keys into the environment, as `aws configure export-credentials "
           "--format env` prints them");
    }
  }
  return std::nullopt;
}

}  // namespace jetcal::store
