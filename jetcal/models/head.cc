// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/head.h"

#include <algorithm>

#include "jetcal/base/error.h"

namespace jetcal::models {
namespace {

constexpr auto kShift = static_cast<float>(kWidthShift);
constexpr auto kGap = static_cast<float>(kGapShift);
constexpr auto kLeast = static_cast<float>(kLeastWidth);

float width_of(float output) { return kLeast + softplus(output - kShift); }

float resolution_of(Head head, const float* outputs) {
  switch (head) {
    case Head::Quantiles:
      return 0.5F * (softplus(outputs[0] - kGap) + softplus(outputs[1] - kGap) +
                     softplus(outputs[3] - kGap) + softplus(outputs[4] - kGap)) +
             kLeast;
    case Head::Gaussian:
      return width_of(outputs[1]);
    case Head::Laplace:
      return static_cast<float>(kLaplaceHalfWidth) * width_of(outputs[1]);
    case Head::Mixture:
      return width_of(outputs[1]) +
             softplus(outputs[2] - kShift) * sigmoid(-outputs[3] - static_cast<float>(kShareShift));
    case Head::Value:
      break;
  }
  return 0;
}

}  // namespace

void read_head(Head head, std::span<const float> outputs, std::span<float> y,
               std::span<float> resolution) {
  const std::int64_t width = num_head_outputs(head);
  JETCAL_DCHECK(std::ssize(outputs) == width * std::ssize(y));
  const std::int64_t place = head == Head::Quantiles ? 2 : 0;
  for (std::size_t jet = 0; jet < y.size(); ++jet) {
    const float* const own = outputs.data() + static_cast<std::int64_t>(jet) * width;
    y[jet] = own[place];
    if (!resolution.empty()) resolution[jet] = resolution_of(head, own);
  }
}

std::array<double, 5> read_quantiles(std::span<const float> outputs) {
  const auto gap = [outputs](int i) { return softplus(outputs[i] - kGapShift); };
  const double median = outputs[2];
  return {median - gap(1) - gap(0), median - gap(1), median, median + gap(3),
          median + gap(3) + gap(4)};
}

}  // namespace jetcal::models
