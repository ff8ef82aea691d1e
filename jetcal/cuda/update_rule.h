// SPDX-License-Identifier: Apache-2.0
// Which optimizer a training step on the device uses.
#pragma once

namespace jetcal::cuda {

/// Names an update rule; the formulas and constants are those of kernels/optimizer_step.h.
enum class UpdateKind { Adam, AdamW, Adagrad, Rmsprop, Ranger };

/// Configures an update.
struct UpdateRule {
  UpdateKind kind = UpdateKind::Ranger;
  double weight_decay = 0;
};

}  // namespace jetcal::cuda
