// SPDX-License-Identifier: Apache-2.0
// The course of a run: learning rate, bounds on the gradient, average of weights, rules by names,
// where the weights come from, when the run ends.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "jetcal/base/config.h"
#include "jetcal/train/gradient_clip.h"
#include "jetcal/train/history.h"
#include "jetcal/train/parameter_groups.h"
#include "jetcal/train/schedule.h"
#include "jetcal/train/starting_weights.h"
#include "jetcal/train/weight_average.h"

namespace jetcal::train {

/// Sets the course of a run.
struct CourseOptions {
  ScheduleOptions schedule;
  ClipOptions clip;
  AverageOptions average;
  ParameterRules rules;
  StartOptions start;
  std::string device = "cpu";         ///< Or "cuda".
  std::string precision = "float32";  ///< On a device also tf32 and bfloat16.
  std::int64_t patience = 0;  ///< Epochs without a better one after which the run ends; 0: none.
  double patience_gain = 0;   ///< By which part of the best loss a better one must be lower.
  std::int64_t steps_per_epoch = 0;    ///< 0: as many as the jets give.
  std::int64_t samples_per_epoch = 0;  ///< The same in jets, rounded up to whole batches.

  /// Returns how many steps an epoch has, 0 for a pass over all jets.
  std::int64_t resolved_steps_per_epoch(std::int64_t batch_size) const noexcept {
    return steps_per_epoch > 0 ? steps_per_epoch
                               : (samples_per_epoch + batch_size - 1) / batch_size;
  }
};

/// Reads the fields of the section training that belong to the course.
CourseOptions read_course(const Config& config);

/// Throws InvalidArgument naming the first field that is out of range.
void validate(const CourseOptions& options);

/// Adds what decides about the result to the identity of a run's section training. Fields at their
/// defaults are left out, so that runs of earlier versions go on.
void add_identity(const CourseOptions& options, nlohmann::json& training);

/// Tells whether the validation loss has not improved for `patience` epochs.
bool out_of_patience(const CourseOptions& options, const std::vector<EpochRecord>& history);

}  // namespace jetcal::train
