// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/settings.h"

#include <algorithm>
#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"

namespace jetcal::hpo::detail {

SettingReader::SettingReader(std::string owner, std::vector<SettingInfo> known, Settings given)
    : owner_(std::move(owner)), known_(std::move(known)), given_(std::move(given)) {
  for (const auto& [name, value] : given_) {
    const auto same_name = [&name = name](const SettingInfo& info) { return info.name == name; };
    if (std::any_of(known_.begin(), known_.end(), same_name)) continue;
    std::string names;
    for (const SettingInfo& info : known_) names += (names.empty() ? "" : ", ") + info.name;
    fail(ErrorCode::InvalidArgument, owner_, " has no setting '", name, "'; it has ",
         names.empty() ? "none" : names);
  }
}

std::string SettingReader::text(const std::string& name) const {
  const auto given = given_.find(name);
  if (given != given_.end()) return given->second;
  for (const SettingInfo& info : known_)
    if (info.name == name) return info.fallback;
  fail(ErrorCode::Internal, owner_, " reads the setting '", name, "', which it does not declare");
}

double SettingReader::number(const std::string& name, double low, double high) const {
  const std::string value = text(name);
  const std::optional<double> number = parse_number<double>(value);
  if (!number || !(*number >= low && *number <= high))
    fail(ErrorCode::InvalidArgument, "the setting '", name, "' of ", owner_,
         " must be a number from ", low, " to ", high, ", not '", value, "'");
  return *number;
}

std::int64_t SettingReader::integer(const std::string& name, std::int64_t low,
                                    std::int64_t high) const {
  const std::string value = text(name);
  const std::optional<std::int64_t> number = parse_number<std::int64_t>(value);
  if (!number || *number < low || *number > high)
    fail(ErrorCode::InvalidArgument, "the setting '", name, "' of ", owner_,
         " must be an integer from ", low, " to ", high, ", not '", value, "'");
  return *number;
}

bool SettingReader::flag(const std::string& name) const {
  const std::string value = text(name);
  // Katib's Go and Python clients write True.
  if (value == "true" || value == "True") return true;
  if (value == "false" || value == "False") return false;
  fail(ErrorCode::InvalidArgument, "the setting '", name, "' of ", owner_,
       " must be true or false, not '", value, "'");
}

std::string SettingReader::word(const std::string& name,
                                const std::vector<std::string>& allowed) const {
  std::string value = text(name);
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return value;
  std::string names;
  for (const std::string& word : allowed) names += (names.empty() ? "" : ", ") + word;
  fail(ErrorCode::InvalidArgument, "the setting '", name, "' of ", owner_, " must be one of ",
       names, ", not '", value, "'");
}

}  // namespace jetcal::hpo::detail
