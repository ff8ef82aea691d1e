// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/bearer_tokens.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

namespace jetcal::server {
namespace {

constexpr std::string_view kScheme = "bearer";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// RFC 6750: token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="; others are let in
// as far as a header can carry them.
bool is_token(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

bool is_scheme(std::string_view text) {
  return text.size() == kScheme.size() &&
         std::equal(text.begin(), text.end(), kScheme.begin(), [](char got, char wanted) {
           return (got >= 'A' && got <= 'Z' ? static_cast<char>(got - 'A' + 'a') : got) == wanted;
         });
}

}  // namespace

BearerTokens::BearerTokens(std::filesystem::path file, std::vector<std::string> free_paths)
    : file_(std::move(file)), free_paths_(std::move(free_paths)), stamp_(FileStamp::of(file_)) {
  digests_ = std::make_shared<const Digests>(read(file_));
}

BearerTokens::Digest BearerTokens::digest_of(std::string_view token) {
  Digest digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  return digest;
}

BearerTokens::Digests BearerTokens::read(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  Digests digests;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = trimmed(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    if (!is_token(line))
      fail(ErrorCode::InvalidArgument, "line ", number, " of the token file ", file.string(),
           " is no token: a token is printable ASCII without blanks");
    digests.push_back(digest_of(line));
  }
  if (digests.empty())
    fail(ErrorCode::InvalidArgument, "the token file ", file.string(), " holds no token");
  return digests;
}

std::optional<std::string> BearerTokens::refusal(const HttpHead& head) const {
  const std::string_view path = head.path();
  if (std::find(free_paths_.begin(), free_paths_.end(), path) != free_paths_.end())
    return std::nullopt;
  const std::string* const given = head.find("authorization");
  if (given == nullptr)
    return "this server wants a bearer token: send the header 'Authorization: Bearer TOKEN'";
  const std::string_view text = trimmed(*given);
  const std::size_t blank = std::min(text.find(' '), text.size());
  if (!is_scheme(text.substr(0, blank))) return "the header Authorization must be 'Bearer TOKEN'";
  const Digest digest = digest_of(trimmed(text.substr(blank)));
  std::shared_ptr<const Digests> known;
  {
    const std::lock_guard lock(mutex_);
    known = digests_;
  }
  bool found = false;
  for (const Digest& one : *known)  // to the end, so that the time says nothing
    found |= ::CRYPTO_memcmp(one.data(), digest.data(), digest.size()) == 0;
  if (found) return std::nullopt;
  return "the bearer token is not one that this server accepts";
}

bool BearerTokens::reload(bool always) {
  const FileStamp stamp = FileStamp::of(file_);
  if (!always && stamp == stamp_) return false;
  stamp_ = stamp;
  auto fresh = std::make_shared<const Digests>(read(file_));
  const std::lock_guard lock(mutex_);
  digests_ = std::move(fresh);
  return true;
}

}  // namespace jetcal::server
