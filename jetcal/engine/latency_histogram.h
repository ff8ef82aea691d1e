// SPDX-License-Identifier: Apache-2.0
// Counts durations by size, so that their percentiles are known without keeping them.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace jetcal::engine {

/// Buckets whose bounds are 1/8 apart: a percentile is at most 12.5 % too high. From 1 us to 18
/// hours; what is shorter or longer goes to the first or last bucket.
class LatencyHistogram {
 public:
  void add(std::int64_t ns) noexcept {
    ++counts_[bucket_of(ns)];
    ++count_;
    sum_ns_ += ns;
  }
  std::int64_t count() const noexcept { return count_; }
  std::int64_t sum_ns() const noexcept { return sum_ns_; }
  /// Returns the upper bound in ns of the bucket that holds quantile q; 0 without entries.
  std::int64_t quantile_ns(double q) const noexcept {
    const auto rank = static_cast<std::int64_t>(q * static_cast<double>(count_));
    std::int64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank || (seen == count_ && count_ > 0)) return upper_bound_ns(i);
    }
    return 0;
  }
  /// Counts the entries of buckets that lie below `ns` whole.
  std::int64_t count_below(std::int64_t ns) const noexcept {
    std::int64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size() && upper_bound_ns(i) <= ns; ++i) seen += counts_[i];
    return seen;
  }

 private:
  static constexpr int kFirstPower = 10;  // 1.024 us
  static constexpr int kPowers = 36;
  static constexpr int kSteps = 8;

  static std::size_t bucket_of(std::int64_t ns) noexcept {
    if (ns < (std::int64_t{1} << kFirstPower)) return 0;
    const auto value = static_cast<std::uint64_t>(ns);
    const int power = std::bit_width(value) - 1;
    if (power >= kFirstPower + kPowers) return kPowers * kSteps;
    const auto step = static_cast<std::size_t>((value >> (power - 3)) & 7U);
    const auto whole = static_cast<std::size_t>(power - kFirstPower);
    return 1 + whole * kSteps + step;
  }
  static std::int64_t upper_bound_ns(std::size_t bucket) noexcept {
    if (bucket == 0) return std::int64_t{1} << kFirstPower;
    const auto at = static_cast<int>(bucket) - 1;
    const int power = kFirstPower + at / kSteps;
    return (std::int64_t{9 + at % kSteps} << power) >> 3;
  }

  std::array<std::int64_t, kPowers * kSteps + 1> counts_{};
  std::int64_t count_ = 0, sum_ns_ = 0;
};

}  // namespace jetcal::engine
