// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/course_flags.h"

namespace jetcal::cli {
namespace {

struct Flag {
  const char* flag;
  const char* field;
  const char* help;
};

constexpr Flag kValues[] = {
    {"--schedule", "training.schedule",
     "constant, flat-decay (default), steps, flat-linear, flat-cosine, cosine or one-cycle"},
    {"--warmup-steps", "training.warmup_steps", "steps of a straight rise before the schedule"},
    {"--warmup-start", "training.warmup_start", "part of the rate the rise begins at"},
    {"--gamma", "training.gamma", "factor at each milestone of the schedule steps"},
    {"--final-lr-factor", "training.final_lr_factor", "part of the rate that is left at the end"},
    {"--clip-norm", "training.clip_norm", "largest norm of the gradient"},
    {"--clip-value", "training.clip_value", "largest entry of the gradient"},
    {"--ema-decay", "training.ema_decay", "decay of the average of weights, 0 for none"},
    {"--ema-start-step", "training.ema_start_step", "the average follows the weights up to here"},
    {"--ema-best", "training.ema_best", "true (default): the average is validated and kept"},
    {"--init", "training.init", "model file to take the first weights from"},
    {"--patience", "training.patience", "epochs without a better one before the run ends"},
    {"--steps-per-epoch", "training.steps_per_epoch", "updates that make an epoch"},
    {"--samples-per-epoch", "training.samples_per_epoch", "the same in jets"},
    {"--device", "training.device", "cpu (default) or cuda: what runs the network"},
    {"--precision", "training.precision", "float32 (default); on cuda also tf32 and bfloat16"},
    {"--histograms", "report.histograms", "epochs between TensorBoard histograms, 0 for none"},
    {"--figures", "report.figures", "epochs between TensorBoard figures, 0 for none"},
    {"--metrics-file", "report.metrics_file",
     "one more file for the metrics, JSON lines where it ends in .json or .jsonl"},
};

constexpr Flag kLists[] = {
    {"--milestones", "training.milestones", "epochs of the schedule steps"},
    {"--lr-multiplier", "training.lr_multipliers", "PATTERN=FACTOR for parameters by name"},
    {"--weight-decay-multiplier", "training.weight_decay_multipliers", "the same for weight decay"},
    {"--freeze", "training.freeze", "patterns of parameters that do not change"},
    {"--init-exclude", "training.init_exclude", "patterns of tensors that start at random"},
};

}  // namespace

void add_course_flags(CLI::App& app, CourseFlags& flags) {
  for (const Flag& flag : kValues) app.add_option(flag.flag, flags.values[flag.field], flag.help);
  for (const Flag& flag : kLists) app.add_option(flag.flag, flags.lists[flag.field], flag.help);
}

void apply(const CourseFlags& flags, Config& config) {
  for (const auto& [field, value] : flags.values) {
    if (!value.empty()) config.set_text(field, value);
  }
  for (const auto& [field, values] : flags.lists) {
    if (values.empty()) continue;
    YAML::Emitter list;
    list << YAML::Flow << values;
    config.set(field, list.c_str());
  }
}

}  // namespace jetcal::cli
