// SPDX-License-Identifier: Apache-2.0
// Linear layers in double while normalisations are folded into them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/models/detail/network_plan.h"
#include "jetcal/models/folded_model.h"

namespace jetcal::models::detail {

/// Computes y = scale * x + shift, channel by channel.
struct Affine {
  std::vector<double> scale, shift;
};

/// Computes y = W x + b while it is being folded.
struct WideDense {
  std::int64_t in = 0, out = 0;
  std::vector<double> weight, bias;
};

inline WideDense wide_linear(std::span<const float> parameters, const LinearSlot& slot) {
  WideDense dense{slot.in, slot.out, {}, std::vector<double>(slot.out, 0.0)};
  const auto weight = parameters.begin() + slot.weight;
  dense.weight.assign(weight, weight + slot.in * slot.out);
  if (slot.bias >= 0) {
    std::copy_n(parameters.begin() + slot.bias, slot.out, dense.bias.begin());
  }
  return dense;
}

/// Makes W (scale x + shift) + b of W x + b, for the inputs from `first` on.
inline void fold_before(const Affine& affine, std::int64_t first, WideDense& dense) {
  for (std::int64_t row = 0; row < dense.out; ++row) {
    double* const weight = dense.weight.data() + row * dense.in + first;
    for (std::size_t c = 0; c < affine.scale.size(); ++c) {
      dense.bias[row] += weight[c] * affine.shift[c];
      weight[c] *= affine.scale[c];
    }
  }
}

/// Makes scale (W x + b) + shift of W x + b.
inline void fold_after(const Affine& affine, WideDense& dense) {
  for (std::int64_t row = 0; row < dense.out; ++row) {
    double* const weight = dense.weight.data() + row * dense.in;
    for (std::int64_t c = 0; c < dense.in; ++c) weight[c] *= affine.scale[row];
    dense.bias[row] = affine.scale[row] * dense.bias[row] + affine.shift[row];
  }
}

inline Dense narrow(const WideDense& wide) {
  return {wide.in, wide.out, std::vector<float>(wide.weight.begin(), wide.weight.end()),
          std::vector<float>(wide.bias.begin(), wide.bias.end())};
}

}  // namespace jetcal::models::detail
