// SPDX-License-Identifier: Apache-2.0
// Bounds on the gradient before an update.
#pragma once

#include <optional>
#include <span>

namespace jetcal::train {

/// Bounds the gradient; absent: no bound. Where both are there the values are clipped first.
struct ClipOptions {
  std::optional<double> norm;   ///< Largest Euclidean norm of the whole gradient.
  std::optional<double> value;  ///< Largest absolute value of an entry.

  bool any() const noexcept { return norm || value; }
};

/// Throws InvalidArgument naming the field of the configuration that is not positive.
void validate(const ClipOptions& options);

/// Bounds a gradient and returns whether anything changed.
///
/// As torch.nn.utils: clip_grad_value_, then clip_grad_norm_, which scales by norm / (length +
/// 1e-6) where that is below one. The length is summed in double in the order of memory, so that
/// threads change no bit.
bool clip(const ClipOptions& options, std::span<float> gradient);

}  // namespace jetcal::train
