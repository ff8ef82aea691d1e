// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/detail/bearer_token.h"

#include <cstdlib>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

namespace jetcal::client::detail {

BearerToken::BearerToken(const ClientOptions& options) : options_(options), header_(read()) {}

std::string BearerToken::read() const {
  std::string token;
  std::string source;
  if (!options_.token_file.empty()) {
    source = "the token file " + options_.token_file.string();
    token = read_file(options_.token_file);
  } else if (!options_.token_environment.empty()) {
    source = "the environment variable " + options_.token_environment;
    const char* const value = std::getenv(options_.token_environment.c_str());
    if (value != nullptr) token = value;
  } else {
    return {};
  }
  token.erase(std::min(token.find_first_of("\r\n"), token.size()));
  if (token.empty()) fail(ErrorCode::FailedPrecondition, source, " holds no token");
  for (const char letter : token) {
    if (letter <= ' ' || letter > '~')
      fail(ErrorCode::FailedPrecondition, source, " holds more than a token");
  }
  return "Authorization: Bearer " + token;
}

std::string BearerToken::header() const {
  const std::lock_guard lock(mutex_);
  return header_;
}

bool BearerToken::renew(const std::string& used) {
  if (options_.token_file.empty()) return false;
  const std::lock_guard lock(mutex_);
  header_ = read();
  return header_ != used;
}

}  // namespace jetcal::client::detail
