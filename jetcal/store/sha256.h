// SPDX-License-Identifier: Apache-2.0
// SHA-256, by which contents are named and requests signed.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace jetcal::store {

/// Hashes bytes that come piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(const void* bytes, std::size_t count);
  /// Returns 64 hex digits; nothing can be added afterwards.
  std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// Returns the 64 hex digits of some bytes.
std::string sha256(std::string_view bytes);

}  // namespace jetcal::store
