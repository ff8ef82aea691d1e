// SPDX-License-Identifier: Apache-2.0
// The losses of heads that predict a distribution, and of flavors beside it, with their gradients.
#pragma once

#include <cstdint>
#include <span>

#include "jetcal/models/model_config.h"

namespace jetcal::train {

/// Says what a network is trained to give.
struct HeadLossOptions {
  models::Head head = models::Head::Value;
  bool flavor_head = false;  ///< The outputs hold the flavors' behind those of the head.
  double flavor_weight = 0;  ///< Of their cross entropy.
};

/// Holds what the loss compares the outputs with.
struct HeadTargets {
  std::span<const float> target;  ///< y [J]
  std::span<const float>
      offset;  ///< Added to y [J]: what the network has to give too. May be empty.
  std::span<const std::int8_t> flavor;  ///< Place in edm::kFlavors or -1 [J]; for a flavor head.
  std::span<const float> weights;       ///< Of the jets [J]; empty for 1.
  std::int64_t all_jets = 0;            ///< Of the whole batch, if these are a part of it.
};

/// Returns the mean over all jets (of the whole batch: parts add up) of the head's loss times 1(|y|
/// < 1), plus flavor_weight times the cross entropy of the jets whose flavor is known; writes the
/// gradient of `outputs` [J, outputs].
///
/// Value: |y - output|. Quantiles: twice the sum of the pinball losses, so that the median's part
/// is the same. Gaussian, Laplace, Mixture: negative log likelihood without its constant. An output
/// or target that is not finite makes the loss NaN.
double head_loss(const HeadLossOptions& options, const HeadTargets& targets,
                 std::span<const float> outputs, std::span<float> gradient);

}  // namespace jetcal::train
