// SPDX-License-Identifier: Apache-2.0
// The loss of every jet as a tensor expression; loss.h and the training step both start from it.
#pragma once

namespace at {
class Tensor;
}

namespace jetcal::train::detail {

/// Returns |target - prediction| * 1(|target| < 1), jet by jet. Differentiable in the prediction.
at::Tensor loss_terms(const at::Tensor& target, const at::Tensor& prediction);

}  // namespace jetcal::train::detail
