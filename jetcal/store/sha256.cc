// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/sha256.h"

#include <openssl/evp.h>

#include <array>

#include "jetcal/base/error.h"

namespace jetcal::store {

struct Sha256::Context {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> state{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  EVP_MD_CTX* const state = context_->state.get();
  if (state == nullptr || EVP_DigestInit_ex(state, EVP_sha256(), nullptr) != 1)
    fail(ErrorCode::Internal, "libcrypto has no SHA-256");
}

Sha256::~Sha256() = default;

void Sha256::add(const void* bytes, std::size_t count) {
  if (EVP_DigestUpdate(context_->state.get(), bytes, count) != 1)
    fail(ErrorCode::Internal, "libcrypto cannot hash");
}

std::string Sha256::hex() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<unsigned char, 32> digest{};
  if (EVP_DigestFinal_ex(context_->state.get(), digest.data(), nullptr) != 1)
    fail(ErrorCode::Internal, "libcrypto cannot hash");
  std::string text;
  for (const unsigned char byte : digest) text += {kDigits[byte >> 4U], kDigits[byte & 15U]};
  return text;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes.data(), bytes.size());
  return hash.hex();
}

}  // namespace jetcal::store
