// SPDX-License-Identifier: Apache-2.0
// A linear layer with random weights for the tests of the kernels.
#pragma once

#include <cstdint>
#include <span>

#include "jetcal/kernels/row_layer.h"
#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {

/// y = x weight^T + bias, weight [out, in]; the same numbers for the same sizes.
struct RandomLayer {
  RandomLayer(std::int64_t num_in, std::int64_t num_out)
      : in(num_in),
        out(num_out),
        weight(random_floats(num_in * num_out, 1)),
        bias(random_floats(num_out, 2)) {}
  LinearWeights view() const { return {weight, bias, in, out}; }
  std::span<const float> row(std::int64_t c) const { return std::span(weight).subspan(c * in, in); }

  std::int64_t in, out;
  Floats weight, bias;
};

}  // namespace jetcal::kernels
