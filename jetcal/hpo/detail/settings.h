// SPDX-License-Identifier: Apache-2.0
// Reads the settings of an algorithm, and holds what every algorithm is made from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jetcal/hpo/algorithm.h"

namespace jetcal::hpo::detail {

/// Reads settings by name, or their fallbacks. Throws InvalidArgument naming the algorithm and the
/// setting.
class SettingReader {
 public:
  /// Throws for a setting that `known` does not have.
  SettingReader(std::string owner, std::vector<SettingInfo> known, Settings given);
  double number(const std::string& name, double low, double high) const;
  std::int64_t integer(const std::string& name, std::int64_t low, std::int64_t high) const;
  bool flag(const std::string& name) const;
  std::string word(const std::string& name, const std::vector<std::string>& allowed) const;
  const std::string& owner() const noexcept { return owner_; }

 private:
  std::string text(const std::string& name) const;

  std::string owner_;
  std::vector<SettingInfo> known_;
  Settings given_;
};

/// What an algorithm is made from; the references end with the call.
struct Setup {
  const SettingReader& settings;
  const SearchSpace& space;
  const std::vector<Objective>& objectives;
  std::uint64_t seed = 0;
};

}  // namespace jetcal::hpo::detail
