// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/service_settings.h"

#include <algorithm>

#include "jetcal/base/log.h"
#include "jetcal/base/number.h"

namespace jetcal::server {
namespace {

// One threshold stands for the four switches: the highest kind of message that is on.
spdlog::level::level_enum threshold(const LogSettings::Values& values) {
  if (values.verbose_level > 0) return spdlog::level::debug;
  if (values.info) return spdlog::level::info;
  if (values.warning) return spdlog::level::warn;
  return values.error ? spdlog::level::err : spdlog::level::off;
}

bool is_number(const std::string& text) { return parse_number<std::int64_t>(text).has_value(); }

void check_trace(const std::string& name, const std::vector<std::string>& values) {
  if (name == "trace_level") {
    for (const std::string& level : values) {
      if (level != "OFF")
        fail(ErrorCode::Unimplemented,
             "trace_level can only be OFF: jetcal writes no traces, got: ", level);
    }
    return;
  }
  if (values.size() != 1) fail(ErrorCode::InvalidArgument, "expect only 1 value for '", name, "'");
  const bool numeric = name == "trace_rate" || name == "trace_count" || name == "log_frequency";
  if (numeric && !is_number(values.front()))
    fail(ErrorCode::InvalidArgument, "Unable to parse '", name, "', got: ", values.front());
  if (name == "trace_file" && !values.front().empty())
    fail(ErrorCode::Unimplemented, "trace_file cannot be set: jetcal writes no traces");
}

}  // namespace

LogSettings::Values LogSettings::values() const {
  const std::lock_guard lock(mutex_);
  return values_;
}

void LogSettings::apply(const Change& change) {
  const std::lock_guard lock(mutex_);
  if (change.file && !change.file->empty())
    fail(ErrorCode::Unimplemented, "log_file cannot be set: the log goes to standard error");
  if (change.format && *change.format != "default" && *change.format != "ISO8601")
    fail(ErrorCode::InvalidArgument, "invalid argument for log_format, got: ", *change.format);
  values_.info = change.info.value_or(values_.info);
  values_.warning = change.warning.value_or(values_.warning);
  values_.error = change.error.value_or(values_.error);
  values_.verbose_level = change.verbose_level.value_or(values_.verbose_level);
  if (change.format && *change.format != values_.format) {
    values_.format = *change.format;
    spdlog::set_pattern(
        values_.format == "default" ? "%H:%M:%S %^%l%$ %v" : "%Y-%m-%dT%H:%M:%SZ %^%l%$ %v",
        values_.format == "default" ? spdlog::pattern_time_type::local
                                    : spdlog::pattern_time_type::utc);
  }
  spdlog::set_level(threshold(values_));
}

TraceSettings::Values TraceSettings::values(const std::string& model) const {
  const std::lock_guard lock(mutex_);
  Values merged = global_;
  const auto found = of_models_.find(model);
  if (found == of_models_.end()) return merged;
  for (const auto& [name, values] : found->second) merged[name] = values;
  return merged;
}

void TraceSettings::apply(const std::string& model, const Values& change) {
  const std::lock_guard lock(mutex_);
  static const Values kDefaults = TraceSettings().global_;
  for (const auto& [name, values] : change) {
    if (global_.contains(name) && !values.empty()) check_trace(name, values);
  }
  for (const auto& [name, values] : change) {
    if (!global_.contains(name)) continue;  // Triton passes over what it does not know
    if (model.empty()) {
      global_[name] = values.empty() ? kDefaults.at(name) : values;
    } else if (values.empty()) {
      of_models_[model].erase(name);
    } else {
      of_models_[model][name] = values;
    }
  }
}

}  // namespace jetcal::server
