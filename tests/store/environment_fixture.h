// SPDX-License-Identifier: Apache-2.0
// Tests that see only the variables and files of AWS tools that they set themselves.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "jetcal/base/temporary_folder.h"

namespace jetcal::store {

class EnvironmentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* const name :
         {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION",
          "AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_MAX_ATTEMPTS",
          "SSL_CERT_FILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}) {
      keep(name);
      ::unsetenv(name);
    }
    set("AWS_CONFIG_FILE", folder_ / "config");
    set("AWS_SHARED_CREDENTIALS_FILE", folder_ / "credentials");
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

  TemporaryFolder folder_;

 private:
  void keep(const char* name) {
    const char* const value = std::getenv(name);
    before_.try_emplace(name, value == nullptr ? std::nullopt : std::optional<std::string>(value));
  }
  std::map<std::string, std::optional<std::string>> before_;
};

}  // namespace jetcal::store
