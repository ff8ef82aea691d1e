// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/aws_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "tests/store/environment_fixture.h"

namespace jetcal::store {
namespace {

using ::testing::HasSubstr;

class AwsCredentialsTest : public EnvironmentTest {
 protected:
  static std::string error() {
    try {
      find_credentials();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(AwsCredentialsTest, WithoutAnythingThereAreNone) {
  EXPECT_FALSE(find_credentials().has_value());
}

TEST_F(AwsCredentialsTest, VariablesComeBeforeFiles) {
  write_file(folder_ / "credentials",
             "[default]\naws_access_key_id = file\naws_secret_access_key = of-file\n");
  EXPECT_EQ(find_credentials()->access_key, "file");
  EXPECT_EQ(find_credentials()->source, "the profile default");
  set("AWS_ACCESS_KEY_ID", "variable");
  set("AWS_SECRET_ACCESS_KEY", "of-variable");
  set("AWS_SESSION_TOKEN", "token");
  EXPECT_EQ(find_credentials()->access_key, "variable");
  EXPECT_EQ(find_credentials()->secret_key, "of-variable");
  EXPECT_EQ(find_credentials()->session_token, "token");
}

TEST_F(AwsCredentialsTest, ProfilesLieInEitherFile) {
  write_file(folder_ / "credentials",
             "# a comment\n[default]\naws_access_key_id=one\naws_secret_access_key=a=b\n[lab]\n"
             "aws_access_key_id=two\n  aws_access_key_id = nested\naws_secret_access_key=c\n");
  write_file(folder_ / "config",
             "[profile far]\naws_access_key_id=three\naws_secret_access_key=d\n"
             "aws_session_token=e\n");
  EXPECT_EQ(find_credentials()->secret_key, "a=b");
  set("AWS_PROFILE", "lab");
  EXPECT_EQ(find_credentials()->access_key, "two");
  set("AWS_PROFILE", "far");
  EXPECT_EQ(find_credentials()->access_key, "three");
  EXPECT_EQ(find_credentials()->session_token, "e");
}

TEST_F(AwsCredentialsTest, NamesWhatIsMissing) {
  set("AWS_ACCESS_KEY_ID", "half");
  EXPECT_THAT(error(), HasSubstr("AWS_SECRET_ACCESS_KEY is not set"));
  set("AWS_ACCESS_KEY_ID", "");
  set("AWS_PROFILE", "nobody");
  EXPECT_THAT(error(), HasSubstr("the profile nobody is neither in "));
  write_file(folder_ / "config", "[profile nobody]\nrole_arn = arn:aws:iam::1:role/x\n");
  EXPECT_THAT(error(), HasSubstr("the profile nobody has role_arn and no keys"));
  write_file(folder_ / "config", "[profile nobody]\naws_access_key_id = half\n");
  EXPECT_THAT(error(), HasSubstr("the profile nobody has no aws_secret_access_key"));
}

}  // namespace
}  // namespace jetcal::store
