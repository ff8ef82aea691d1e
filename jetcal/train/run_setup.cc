// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/run_setup.h"

#include <cstdint>

namespace jetcal::train {

models::Model make_first_model(const TrainOptions& options,
                               const models::Standardisation& standardisation) {
  models::Model model = models::initialise(options.model, static_cast<std::uint64_t>(options.seed));
  model.standardisation = standardisation;
  const StartOptions& start = options.course.start;
  if (!start.model.empty()) take_weights(models::load_model(start.model), start.exclude, model);
  return model;
}

std::unique_ptr<Learner> make_learner(const TrainOptions& options,
                                      const models::Standardisation& standardisation,
                                      workers::Communicator* workers,
                                      const NetworkPassFactory& pass) {
  OptimizerOptions optimizer = options.optimizer;
  if (options.course.rules.any())
    optimizer.ranges = parameter_ranges(options.course.rules, models::make_layout(options.model));
  return std::make_unique<Learner>(make_first_model(options, standardisation), optimizer,
                                   options.course.clip, options.flavor_weight, workers,
                                   options.distributed, pass);
}

}  // namespace jetcal::train
