// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/aws_environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/data/file_store.h"
#include "tests/data/jet_ntuple_fixture.h"

namespace jetcal::data {
namespace {

using ::testing::HasSubstr;

// Sets variables for one test; all that matter here are unset before it.
class AwsEnvironmentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* const name :
         {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION",
          "AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_MAX_ATTEMPTS", "SSL_CERT_FILE"}) {
      keep(name);
      ::unsetenv(name);
    }
    set("AWS_CONFIG_FILE", folder_ / "config");
  }
  void TearDown() override {
    for (const auto& [name, value] : before_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }
  void set(const char* name, const std::string& value) {
    keep(name);
    ::setenv(name, value.c_str(), 1);
  }
  static std::string error() {
    try {
      detail::read_aws_environment();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;

 private:
  void keep(const char* name) {
    const char* const value = std::getenv(name);
    before_.try_emplace(name, value == nullptr ? std::nullopt : std::optional<std::string>(value));
  }
  std::map<std::string, std::optional<std::string>> before_;
};

TEST_F(AwsEnvironmentTest, WithoutAnythingItIsAws) {
  const detail::AwsEnvironment environment = detail::read_aws_environment();
  EXPECT_EQ(environment.scheme, "https");
  EXPECT_EQ(environment.endpoint, "");
  EXPECT_EQ(environment.region, "");
  EXPECT_EQ(environment.max_attempts, 8);
}

TEST_F(AwsEnvironmentTest, TheNarrowestEndpointWins) {
  write_file(folder_ / "config", "[default]\nendpoint_url = http://of-file:1\nregion=there\n");
  EXPECT_EQ(detail::read_aws_environment().endpoint, "of-file:1");
  EXPECT_EQ(detail::read_aws_environment().region, "there");
  set("AWS_ENDPOINT_URL", "https://of-all:2/");
  EXPECT_EQ(detail::read_aws_environment().endpoint, "of-all:2");
  EXPECT_EQ(detail::read_aws_environment().scheme, "https");
  set("AWS_ENDPOINT_URL_S3", "http://of-s3");
  EXPECT_EQ(detail::read_aws_environment().endpoint, "of-s3");
  EXPECT_EQ(detail::read_aws_environment().scheme, "http");
}

TEST_F(AwsEnvironmentTest, ReadsTheProfileThatIsAskedFor) {
  write_file(folder_ / "config",
             "[default]\nregion = one\n[profile lab]\nregion = two\ns3 =\n  endpoint_url = no\n"
             "endpoint_url=http://lab:9000\n[other]\nregion=three\n");
  EXPECT_EQ(detail::read_aws_environment().region, "one");
  set("AWS_PROFILE", "lab");
  EXPECT_EQ(detail::read_aws_environment().region, "two");
  EXPECT_EQ(detail::read_aws_environment().endpoint, "lab:9000");
  set("AWS_DEFAULT_REGION", "four");
  EXPECT_EQ(detail::read_aws_environment().region, "four");
  set("AWS_REGION", "five");
  EXPECT_EQ(detail::read_aws_environment().region, "five");
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
  EXPECT_EQ(detail::read_aws_environment().max_attempts, 3);
  set("AWS_CA_BUNDLE", "/nowhere.pem");
  EXPECT_THAT(error(), HasSubstr("AWS_CA_BUNDLE names a file that does not exist: /nowhere.pem"));
}

TEST(FileStore, TellsObjectStoresFromFolders) {
  EXPECT_TRUE(is_remote("s3://bucket/prefix"));
  EXPECT_FALSE(is_remote("s3/bucket"));
  EXPECT_FALSE(is_remote("/folder"));
  EXPECT_THROW(open_store("s3://"), Error);
  EXPECT_THROW(open_store("s3:///prefix"), Error);
}

TEST(FileStore, ReadsRangesOfAFolderAndCountsThem) {
  const TemporaryFolder folder;
  write_file(folder / "file", "0123456789");
  const auto store = open_store(folder.path().string());
  EXPECT_EQ(store->read_all("file"), "0123456789");
  std::array<std::byte, 3> range{};
  store->read("file", 4, range);
  EXPECT_EQ(static_cast<char>(range[2]), '6');
  EXPECT_EQ(store->counts().reads, 2);
  EXPECT_EQ(store->counts().bytes, 13);
  try {
    store->read("file", 8, range);
    FAIL() << "read beyond the end";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::DataLoss);
    EXPECT_THAT(error.what(), HasSubstr("ends at byte 10, before byte 11"));
  }
  EXPECT_THROW(store->size("other"), Error);
}

}  // namespace
}  // namespace jetcal::data
