// SPDX-License-Identifier: Apache-2.0
// Progress of long work: a bar on a terminal, a plain line now and then elsewhere; always on
// standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace jetcal {

/// Shows how far a piece of work is, with its rate and the time left.
class Progress {
 public:
  /// `total` <= 0 means unknown; `unit` is a plural noun such as "jets"; `done_before` of them were
  /// done by an earlier process and do not count for the rate.
  Progress(std::string label, std::int64_t total, std::string unit, std::int64_t done_before = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Sets the amount done and an optional note such as "loss 0.0921"; draws at most ten times a
  /// second on a terminal and every ten seconds elsewhere.
  void update(std::int64_t done, const std::string& note = "");
  /// Draws the final state and ends the line. Called by the destructor if needed.
  void finish(const std::string& note = "");

 private:
  void draw(bool last);
  std::string label_, unit_, note_;
  std::int64_t total_, done_before_, done_;
  bool terminal_, finished_ = false;
  std::chrono::steady_clock::time_point start_, drawn_;
};

}  // namespace jetcal
