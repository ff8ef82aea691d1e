// SPDX-License-Identifier: Apache-2.0
// A file in the making, beside its target under a name of its own, so that writers do not meet.
#pragma once

#include <cstddef>
#include <filesystem>

namespace jetcal::store::detail {

/// Removes the draft unless it took its target's place. All throw ResourceExhausted on a full disk
/// and Internal otherwise, naming the target.
class Draft {
 public:
  explicit Draft(const std::filesystem::path& target);
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  int descriptor() const noexcept { return file_; }
  void write(const char* bytes, std::size_t count);
  /// Forgets what was written.
  void clear();
  /// Syncs and takes the target's place.
  void put();
  /// Syncs and takes the target's place unless it is taken; tells whether it was free.
  bool put_if_absent();
  /// Throws for an error number of writing.
  [[noreturn]] void fail_with(int number) const;

 private:
  void sync();

  std::filesystem::path target_, path_;
  int file_ = -1;
};

}  // namespace jetcal::store::detail
