// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/scheduling.h"

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"

namespace jetcal::engine::detail {
namespace {

using nlohmann::ordered_json;

std::uint64_t whole_number(const ordered_json& from, const char* field, const std::string& source) {
  const auto value = from.value(field, std::int64_t{0});
  if (value < 0) fail(ErrorCode::InvalidArgument, source, ": ", field, " is negative: ", value);
  return static_cast<std::uint64_t>(value);
}

QueuePolicy read_policy(const ordered_json& from, const std::string& source) {
  QueuePolicy policy;
  const std::string action = from.value("timeout_action", "REJECT");
  if (action != "REJECT" && action != "DELAY")
    fail(ErrorCode::InvalidArgument, source, ": timeout_action is REJECT or DELAY, not ", action);
  policy.delay_on_timeout = action == "DELAY";
  policy.timeout_us = whole_number(from, "default_timeout_microseconds", source);
  policy.allow_override = from.value("allow_timeout_override", false);
  policy.max_queue_size = whole_number(from, "max_queue_size", source);
  return policy;
}

}  // namespace

std::uint64_t Scheduling::level_of(std::uint64_t priority) const noexcept {
  return priority == 0 || priority > levels ? default_level : priority;
}

const QueuePolicy& Scheduling::policy_of(std::uint64_t level) const noexcept {
  const auto found = policies.find(level);
  return found == policies.end() ? default_policy : found->second;
}

std::uint64_t Scheduling::timeout_of(std::uint64_t level, std::uint64_t asked_us) const noexcept {
  const QueuePolicy& policy = policy_of(level);
  if (!policy.allow_override || asked_us == 0) return policy.timeout_us;
  return policy.timeout_us == 0 ? asked_us : std::min(asked_us, policy.timeout_us);
}

Scheduling read_scheduling(const ordered_json& config, std::int64_t max_batch_size,
                           const std::string& source) {
  Scheduling scheduling;
  if (!config.contains("dynamic_batching")) return scheduling;
  const ordered_json& given = config["dynamic_batching"];
  scheduling.batching = max_batch_size > 1;
  scheduling.preferred = given.value("preferred_batch_size", std::vector<std::int64_t>{});
  std::sort(scheduling.preferred.begin(), scheduling.preferred.end());
  for (const std::int64_t size : scheduling.preferred) {
    if (size < 1 || size > max_batch_size)
      fail(ErrorCode::InvalidArgument, source,
           ": dynamic batching preferred size must be positive ", "and <= max batch size ",
           max_batch_size, ", not ", size);
  }
  scheduling.max_delay_us = whole_number(given, "max_queue_delay_microseconds", source);
  scheduling.levels = whole_number(given, "priority_levels", source);
  scheduling.default_level = whole_number(given, "default_priority_level", source);
  const bool wanted = scheduling.levels > 0;
  if (wanted ? scheduling.default_level < 1 || scheduling.default_level > scheduling.levels
             : scheduling.default_level != 0)
    fail(ErrorCode::InvalidArgument, source, ": default priority level must be in range [1, ",
         scheduling.levels, "]");
  if (given.contains("default_queue_policy"))
    scheduling.default_policy = read_policy(given["default_queue_policy"], source);
  if (!given.contains("priority_queue_policy")) return scheduling;
  for (const auto& [key, policy] : given["priority_queue_policy"].items()) {
    const std::uint64_t level = parse_number<std::uint64_t>(key).value_or(0);
    if (level < 1 || level > scheduling.levels)
      fail(ErrorCode::InvalidArgument, source, ": priority_queue_policy names level ", key,
           ", there are ", scheduling.levels);
    scheduling.policies[level] = read_policy(policy, source);
  }
  return scheduling;
}

}  // namespace jetcal::engine::detail
