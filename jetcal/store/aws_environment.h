// SPDX-License-Identifier: Apache-2.0
// What the environment and the files of AWS tools say about an S3 store, beside credentials.
#pragma once

#include <cstdint>
#include <string>

namespace jetcal::store {

/// Holds the settings of the variables and files that AWS tools share.
struct AwsEnvironment {
  std::string scheme = "https";
  std::string endpoint;  ///< host[:port]; empty for AWS itself.
  std::string region;    ///< Empty where neither variable nor file names one.
  std::string ca_file;   ///< Of certificates; empty where none is found.
  int max_attempts = 8;
  std::int64_t part_bytes = std::int64_t{1} << 30;  ///< A larger file is sent in parts of so many.
};

/// Reads AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, endpoint_url of the profile in the configuration
/// file, AWS_REGION, AWS_DEFAULT_REGION, AWS_CA_BUNDLE, AWS_MAX_ATTEMPTS and JETCAL_S3_PART_BYTES.
/// Throws InvalidArgument naming the variable or file whose value cannot be understood.
AwsEnvironment read_aws_environment();

}  // namespace jetcal::store
