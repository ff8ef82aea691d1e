// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/course.h"

#include <nlohmann/json.hpp>
#include <string>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

template <typename T>
void read_optional(const Config& config, const std::string& name, std::optional<T>& value) {
  if (config.has(name)) value = config.require<T>(name);
}

std::vector<PatternFactor> read_rules(const Config& config, const std::string& name) {
  std::vector<PatternFactor> rules;
  for (const std::string& text : config.get(name, std::vector<std::string>{}))
    rules.push_back(parse_pattern_factor(text, name));
  return rules;
}

std::vector<std::string> as_texts(const std::vector<PatternFactor>& rules) {
  std::vector<std::string> texts;
  texts.reserve(rules.size());
  for (const PatternFactor& rule : rules)
    texts.push_back(rule.pattern + "=" + nlohmann::json(rule.factor).dump());
  return texts;
}

}  // namespace

CourseOptions read_course(const Config& config) {
  CourseOptions options;
  ScheduleOptions& schedule = options.schedule;
  schedule.kind =
      parse_schedule(config.get("training.schedule", std::string(schedule_name(schedule.kind))));
  schedule.warmup_steps = config.get("training.warmup_steps", schedule.warmup_steps);
  schedule.warmup_start = config.get("training.warmup_start", schedule.warmup_start);
  schedule.milestones = config.get("training.milestones", schedule.milestones);
  schedule.gamma = config.get("training.gamma", schedule.gamma);
  read_optional(config, "training.final_lr_factor", schedule.final_factor);
  schedule.flat_part = config.get("training.flat_part", schedule.flat_part);
  schedule.peak_at = config.get("training.peak_at", schedule.peak_at);
  schedule.peak_ratio = config.get("training.peak_ratio", schedule.peak_ratio);
  read_optional(config, "training.clip_norm", options.clip.norm);
  read_optional(config, "training.clip_value", options.clip.value);
  options.average.decay = config.get("training.ema_decay", options.average.decay);
  options.average.start_step = config.get("training.ema_start_step", options.average.start_step);
  options.average.keep_best = config.get("training.ema_best", options.average.keep_best);
  options.rules.learning_rate = read_rules(config, "training.lr_multipliers");
  options.rules.weight_decay = read_rules(config, "training.weight_decay_multipliers");
  options.rules.freeze = config.get("training.freeze", options.rules.freeze);
  options.start.model = config.get("training.init", options.start.model);
  options.start.exclude = config.get("training.init_exclude", options.start.exclude);
  options.device = config.get("training.device", options.device);
  options.precision = config.get("training.precision", options.precision);
  options.patience = config.get("training.patience", options.patience);
  options.patience_gain = config.get("training.patience_gain", options.patience_gain);
  options.steps_per_epoch = config.get("training.steps_per_epoch", options.steps_per_epoch);
  options.samples_per_epoch = config.get("training.samples_per_epoch", options.samples_per_epoch);
  return options;
}

void validate(const CourseOptions& options) {
  validate(options.schedule);
  validate(options.clip);
  validate(options.average);
  if (options.device != "cpu" && options.device != "cuda")
    fail(ErrorCode::InvalidArgument, "training.device must be cpu or cuda, not '", options.device,
         "'");
  const bool reduced = options.precision == "tf32" || options.precision == "bfloat16";
  if (options.precision != "float32" && !(reduced && options.device == "cuda")) {
    fail(ErrorCode::InvalidArgument,
         "training.precision: training on CPUs has float32, on GPUs tf32 and bfloat16 too, got '",
         options.precision, "' for ", options.device);
  }
  const auto require_not_negative = [](const char* field, auto value) {
    if (!(value >= 0))
      fail(ErrorCode::InvalidArgument, field, " must not be negative, got ", value);
  };
  require_not_negative("training.patience", options.patience);
  require_not_negative("training.patience_gain", options.patience_gain);
  require_not_negative("training.steps_per_epoch", options.steps_per_epoch);
  require_not_negative("training.samples_per_epoch", options.samples_per_epoch);
  if (options.steps_per_epoch > 0 && options.samples_per_epoch > 0) {
    fail(ErrorCode::InvalidArgument,
         "training.steps_per_epoch and training.samples_per_epoch say the same thing: give one");
  }
  if (options.start.model.empty() && !options.start.exclude.empty()) {
    fail(ErrorCode::InvalidArgument,
         "training.init_exclude needs training.init, the model to start from");
  }
}

void add_identity(const CourseOptions& options, nlohmann::json& training) {
  const CourseOptions defaults;
  const auto add = [&training](const char* name, const auto& value, const auto& usual) {
    if (value != usual) training[name] = value;
  };
  const ScheduleOptions& schedule = options.schedule;
  // Other devices and precisions round otherwise: a run goes on where it began.
  add("device", options.device, defaults.device);
  add("precision", options.precision, defaults.precision);
  add("warmup_steps", schedule.warmup_steps, defaults.schedule.warmup_steps);
  add("warmup_start", schedule.warmup_start, defaults.schedule.warmup_start);
  add("milestones", schedule.milestones, defaults.schedule.milestones);
  add("gamma", schedule.gamma, defaults.schedule.gamma);
  if (schedule.final_factor) training["final_lr_factor"] = *schedule.final_factor;
  add("flat_part", schedule.flat_part, defaults.schedule.flat_part);
  add("peak_at", schedule.peak_at, defaults.schedule.peak_at);
  add("peak_ratio", schedule.peak_ratio, defaults.schedule.peak_ratio);
  if (options.clip.norm) training["clip_norm"] = *options.clip.norm;
  if (options.clip.value) training["clip_value"] = *options.clip.value;
  if (options.average.on()) {
    training["ema_decay"] = options.average.decay;
    training["ema_start_step"] = options.average.start_step;
    training["ema_best"] = options.average.keep_best;
  }
  add("lr_multipliers", as_texts(options.rules.learning_rate), std::vector<std::string>{});
  add("weight_decay_multipliers", as_texts(options.rules.weight_decay), std::vector<std::string>{});
  add("freeze", options.rules.freeze, defaults.rules.freeze);
  add("init_exclude", options.start.exclude, defaults.start.exclude);
  add("patience", options.patience, defaults.patience);
  add("patience_gain", options.patience_gain, defaults.patience_gain);
  add("steps_per_epoch", options.steps_per_epoch, defaults.steps_per_epoch);
  add("samples_per_epoch", options.samples_per_epoch, defaults.samples_per_epoch);
  if (!options.start.model.empty())
    training["init"] = models::fingerprint(models::load_model(options.start.model));
}

bool out_of_patience(const CourseOptions& options, const std::vector<EpochRecord>& history) {
  if (options.patience == 0 || history.empty()) return false;
  double best = history.front().validation_loss;
  std::int64_t best_epoch = history.front().epoch;
  for (const EpochRecord& epoch : history) {
    if (epoch.validation_loss < best * (1 - options.patience_gain)) {
      best = epoch.validation_loss;
      best_epoch = epoch.epoch;
    }
  }
  return history.back().epoch - best_epoch >= options.patience;
}

}  // namespace jetcal::train
