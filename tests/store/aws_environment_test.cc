// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/aws_environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "tests/store/environment_fixture.h"

namespace jetcal::store {
namespace {

using ::testing::HasSubstr;

class AwsEnvironmentTest : public EnvironmentTest {
 protected:
  static std::string error() {
    try {
      read_aws_environment();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(AwsEnvironmentTest, WithoutAnythingItIsAws) {
  const AwsEnvironment environment = read_aws_environment();
  EXPECT_EQ(environment.scheme, "https");
  EXPECT_EQ(environment.endpoint, "");
  EXPECT_EQ(environment.region, "");
  EXPECT_EQ(environment.max_attempts, 8);
}

TEST_F(AwsEnvironmentTest, TheNarrowestEndpointWins) {
  write_file(folder_ / "config", "[default]\nendpoint_url = http://of-file:1\nregion=there\n");
  EXPECT_EQ(read_aws_environment().endpoint, "of-file:1");
  EXPECT_EQ(read_aws_environment().region, "there");
  set("AWS_ENDPOINT_URL", "https://of-all:2/");
  EXPECT_EQ(read_aws_environment().endpoint, "of-all:2");
  EXPECT_EQ(read_aws_environment().scheme, "https");
  set("AWS_ENDPOINT_URL_S3", "http://of-s3");
  EXPECT_EQ(read_aws_environment().endpoint, "of-s3");
  EXPECT_EQ(read_aws_environment().scheme, "http");
}

TEST_F(AwsEnvironmentTest, ReadsTheProfileThatIsAskedFor) {
  write_file(folder_ / "config",
             "[default]\nregion = one\n[profile lab]\nregion = two\ns3 =\n  endpoint_url = no\n"
             "endpoint_url=http://lab:9000\n[other]\nregion=three\n");
  EXPECT_EQ(read_aws_environment().region, "one");
  set("AWS_PROFILE", "lab");
  EXPECT_EQ(read_aws_environment().region, "two");
  EXPECT_EQ(read_aws_environment().endpoint, "lab:9000");
  set("AWS_DEFAULT_REGION", "four");
  EXPECT_EQ(read_aws_environment().region, "four");
  set("AWS_REGION", "five");
  EXPECT_EQ(read_aws_environment().region, "five");
}

TEST_F(AwsEnvironmentTest, NamesWhatCannotBeUnderstood) {
  set("AWS_ENDPOINT_URL", "127.0.0.1:9000");
  EXPECT_THAT(error(), HasSubstr("AWS_ENDPOINT_URL must be a URL such as"));
  set("AWS_ENDPOINT_URL", "http://host/path");
  EXPECT_THAT(error(), HasSubstr("without a path"));
  set("AWS_ENDPOINT_URL", "http://");
  EXPECT_THAT(error(), HasSubstr("AWS_ENDPOINT_URL"));
  set("AWS_ENDPOINT_URL", "http://host");
  for (const char* const attempts : {"0", "-1", "many", "3x"}) {
    set("AWS_MAX_ATTEMPTS", attempts);
    EXPECT_THAT(error(), HasSubstr("AWS_MAX_ATTEMPTS must be a positive number")) << attempts;
  }
  set("AWS_MAX_ATTEMPTS", "3");
  EXPECT_EQ(read_aws_environment().max_attempts, 3);
  set("AWS_CA_BUNDLE", "/nowhere.pem");
  EXPECT_THAT(error(), HasSubstr("AWS_CA_BUNDLE names a file that does not exist: /nowhere.pem"));
}

}  // namespace
}  // namespace jetcal::store
