// SPDX-License-Identifier: Apache-2.0
// The loss of a network on a split, with the two baselines on the same jets.
#pragma once

#include <functional>
#include <optional>

#include "jetcal/models/model.h"
#include "jetcal/train/jet_source.h"
#include "jetcal/train/loss.h"
#include "jetcal/train/worker_group.h"

namespace jetcal::train {

/// Losses on the same jets.
struct Evaluation {
  LossSum network;
  LossSum no_correction;  ///< Prediction 0 for every jet.
  LossSum constant;       ///< One constant for every jet.
  std::int64_t dropped_particles = 0;
  models::ClipCounts clipped;
};

/// Evaluates with models::Predictor, the forward pass that is exported and served. Returns nothing
/// when `should_stop` (may be empty) told it to. The result does not depend on threads. Workers of
/// a group share the jets; all get the whole result, or nothing when one of them was told to stop.
std::optional<Evaluation> evaluate(const models::Model& model, const JetSource& source,
                                   double constant, const std::function<bool()>& should_stop,
                                   const WorkerGroup& group = {});

}  // namespace jetcal::train
