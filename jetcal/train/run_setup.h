// SPDX-License-Identifier: Apache-2.0
// The network and its learner at the start of a run.
#pragma once

#include <memory>

#include "jetcal/models/model.h"
#include "jetcal/train/learner.h"
#include "jetcal/train/options.h"

namespace jetcal::train {

/// Makes the network with its first weights: random from the seed, or another model's as asked.
models::Model make_first_model(const TrainOptions& options,
                               const models::Standardisation& standardisation);

/// Makes the learner of that network, with the rules for its parameters; of one of several workers
/// where `workers` is given; on a device where `pass` is.
std::unique_ptr<Learner> make_learner(const TrainOptions& options,
                                      const models::Standardisation& standardisation,
                                      workers::Communicator* workers = nullptr,
                                      const NetworkPassFactory& pass = {});

}  // namespace jetcal::train
