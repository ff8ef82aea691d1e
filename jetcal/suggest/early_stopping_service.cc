// SPDX-License-Identifier: Apache-2.0
#include "jetcal/suggest/early_stopping_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"
#include "jetcal/hpo/statistics.h"
#include "jetcal/suggest/detail/experiment_reader.h"
#include "jetcal/suggest/detail/message.h"

namespace jetcal::suggest {

namespace katib = api::v1::beta1;

namespace {

struct MedianSettings {
  std::int32_t min_trials = 3, start_step = 4;  // Katib's defaults
};

std::int32_t read_count(const katib::EarlyStoppingSetting& setting) {
  const std::optional<std::int32_t> value = parse_number<std::int32_t>(setting.value());
  if (!value || *value < 1) {
    fail(ErrorCode::InvalidArgument, "the setting ", setting.name(),
         " must be an integer above 0, got '", setting.value(), "'");
  }
  return *value;
}

MedianSettings read_settings(const katib::EarlyStoppingSpec& spec) {
  const std::string& name = spec.algorithm_name();
  if (name != "medianstop" && name != "median" && name != "jetcal-median") {
    fail(ErrorCode::InvalidArgument, "there is no early stopping '", name,
         "'; there is medianstop");
  }
  MedianSettings settings;
  for (const katib::EarlyStoppingSetting& setting : spec.algorithm_settings()) {
    if (setting.name() == "min_trials_required") {
      settings.min_trials = read_count(setting);
    } else if (setting.name() == "start_step") {
      settings.start_step = read_count(setting);
    } else {
      fail(ErrorCode::InvalidArgument, "early stopping by the median has no setting '",
           setting.name(), "'; it has min_trials_required and start_step");
    }
  }
  return settings;
}

}  // namespace

std::string EarlyStoppingService::validate_early_stopping_settings(std::string_view bytes) const {
  read_settings(detail::parse<katib::ValidateEarlyStoppingSettingsRequest>(bytes).early_stopping());
  return katib::ValidateEarlyStoppingSettingsReply().SerializeAsString();
}

std::string EarlyStoppingService::get_early_stopping_rules(std::string_view bytes) const {
  const auto request = detail::parse<katib::GetEarlyStoppingRulesRequest>(bytes);
  const katib::ExperimentSpec& spec = request.experiment().spec();
  const MedianSettings settings = read_settings(spec.early_stopping());
  const katib::ObjectiveSpec& objective = spec.objective();
  if (objective.type() != katib::MINIMIZE && objective.type() != katib::MAXIMIZE)
    fail(ErrorCode::InvalidArgument, "objective.type must be minimize or maximize");
  std::vector<double> means;
  const auto succeeded =
      std::count_if(request.trials().begin(), request.trials().end(), [](const auto& trial) {
        return trial.status().condition() == katib::TrialStatus::SUCCEEDED;
      });
  katib::GetEarlyStoppingRulesReply reply;
  if (succeeded < settings.min_trials) return reply.SerializeAsString();
  for (const katib::Trial& trial : request.trials()) {
    if (trial.status().condition() != katib::TrialStatus::SUCCEEDED) continue;
    std::vector<double> values = access_.metric_values(request.db_manager_address(), trial.name(),
                                                       objective.objective_metric_name());
    values.resize(
        std::min<std::size_t>(values.size(), static_cast<std::size_t>(settings.start_step)));
    if (!values.empty()) means.push_back(hpo::mean(values));
  }
  if (means.size() < static_cast<std::size_t>(settings.min_trials))
    return reply.SerializeAsString();
  katib::EarlyStoppingRule& rule = *reply.add_early_stopping_rules();
  rule.set_name(objective.objective_metric_name());
  rule.set_value(fmt::format("{}", hpo::quantile(means, 0.5)));
  rule.set_comparison(objective.type() == katib::MAXIMIZE ? katib::LESS : katib::GREATER);
  rule.set_start_step(settings.start_step);
  return reply.SerializeAsString();
}

std::string EarlyStoppingService::set_trial_status(std::string_view bytes) const {
  const auto request = detail::parse<katib::SetTrialStatusRequest>(bytes);
  if (request.trial_name().empty()) fail(ErrorCode::InvalidArgument, "trial_name is missing");
  access_.mark_stopped(request.trial_name());
  return katib::SetTrialStatusReply().SerializeAsString();
}

}  // namespace jetcal::suggest
