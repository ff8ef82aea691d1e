// SPDX-License-Identifier: Apache-2.0
// Keeps ROOT quiet: what it would print becomes part of an Error.
#pragma once

#include <string>

namespace jetcal::data::detail {

/// Makes ROOT safe for several threads and routes its messages here; cheap after the first call.
void start_root();

/// Collects the messages that ROOT gives on this thread while it lives, instead of printing them.
/// Collectors nest; the innermost one gets the messages.
class RootMessages {
 public:
  RootMessages();
  ~RootMessages();
  RootMessages(const RootMessages&) = delete;
  RootMessages& operator=(const RootMessages&) = delete;

  /// Returns the first error so far on one line, or an empty string. Warnings do not count.
  const std::string& error() const noexcept { return error_; }
  /// Tells whether an error said that the disk or the quota is full.
  bool disk_full() const noexcept { return disk_full_; }

 private:
  friend void collect_root_message(int level, bool abort, const char* location, const char* text);
  std::string error_;
  bool disk_full_ = false;
  RootMessages* outer_;
};

}  // namespace jetcal::data::detail
