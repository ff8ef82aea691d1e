// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/head_loss.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/edm/flavor.h"
#include "jetcal/models/head.h"

namespace jetcal::train {
namespace {

using models::Head;
using models::kGapShift;
using models::kLeastWidth;
using models::kQuantiles;
using models::kShareShift;
using models::kWidthShift;
using models::sigmoid;
using models::softplus;

constexpr std::int64_t kMostOutputs = 5;
constexpr std::size_t kNumFlavors = edm::kFlavors.size();

// Loss of one jet, and its gradient by the outputs.
struct Term {
  double loss = 0;
  std::array<double, kMostOutputs> gradient{};
};

double sign(double x) { return static_cast<double>(x > 0) - static_cast<double>(x < 0); }

double width_of(double output) { return kLeastWidth + softplus(output - kWidthShift); }
double width_slope(double output) { return sigmoid(output - kWidthShift); }

Term value_loss(double y, const float* output) {
  const double difference = y - output[0];
  return {std::abs(difference), {-sign(difference)}};
}

Term quantile_loss(double y, const float* output) {
  const std::array<double, 5> quantiles = models::read_quantiles({output, 5});
  Term term;
  std::array<double, 5> slope{};
  for (std::size_t q = 0; q < quantiles.size(); ++q) {
    const double above = y - quantiles[q];
    term.loss += 2 * std::max(kQuantiles[q] * above, (kQuantiles[q] - 1) * above);
    if (above > 0) slope[q] = -2 * kQuantiles[q];
    if (above < 0) slope[q] = 2 * (1 - kQuantiles[q]);
  }
  const auto gap_slope = [output](int i) { return sigmoid(output[i] - kGapShift); };
  term.gradient = {-slope[0] * gap_slope(0), -(slope[0] + slope[1]) * gap_slope(1),
                   slope[0] + slope[1] + slope[2] + slope[3] + slope[4],
                   (slope[3] + slope[4]) * gap_slope(3), slope[4] * gap_slope(4)};
  return term;
}

Term gaussian_loss(double y, const float* output) {
  const double width = width_of(output[1]);
  const double pull = (y - output[0]) / width;
  return {pull * pull / 2 + std::log(width),
          {-pull / width, (1 - pull * pull) / width * width_slope(output[1])}};
}

Term laplace_loss(double y, const float* output) {
  const double width = width_of(output[1]);
  const double difference = y - output[0];
  const double pull = std::abs(difference) / width;
  return {pull + std::log(width),
          {-sign(difference) / width, (1 - pull) / width * width_slope(output[1])}};
}

Term mixture_loss(double y, const float* output) {
  const double narrow = width_of(output[1]);
  const double wide = narrow + softplus(output[2] - kWidthShift);
  const double logit = output[3] + kShareShift;
  const double difference = y - output[0];
  const auto log_density = [difference](double width) {
    return -std::log(width) - difference * difference / (2 * width * width);
  };
  const double first = log_density(narrow) - softplus(-logit);
  const double second = log_density(wide) - softplus(logit);
  const double larger = std::max(first, second);
  const double log_sum = larger + std::log(std::exp(first - larger) + std::exp(second - larger));
  const double part = std::exp(first - log_sum);  // of the narrow distribution
  const auto by_width = [difference](double width) {
    return 1 / width - difference * difference / (width * width * width);
  };
  const double by_narrow = part * by_width(narrow);
  const double by_wide = (1 - part) * by_width(wide);
  return {-log_sum,
          {-difference * (part / (narrow * narrow) + (1 - part) / (wide * wide)),
           (by_narrow + by_wide) * width_slope(output[1]), by_wide * width_slope(output[2]),
           sigmoid(logit) - part}};
}

Term term_of(Head head, double y, const float* output) {
  switch (head) {
    case Head::Quantiles:
      return quantile_loss(y, output);
    case Head::Gaussian:
      return gaussian_loss(y, output);
    case Head::Laplace:
      return laplace_loss(y, output);
    case Head::Mixture:
      return mixture_loss(y, output);
    case Head::Value:
      break;
  }
  return value_loss(y, output);
}

// Cross entropy of one jet; writes the gradient by the logits times `factor`.
double flavor_loss(int flavor, const float* logits, double factor, float* gradient) {
  const double largest = *std::max_element(logits, logits + kNumFlavors);
  double sum = 0;
  for (std::size_t f = 0; f < kNumFlavors; ++f) sum += std::exp(logits[f] - largest);
  for (std::size_t f = 0; f < kNumFlavors; ++f) {
    const double share = std::exp(logits[f] - largest) / sum;
    gradient[f] =
        static_cast<float>(factor * (share - (static_cast<int>(f) == flavor ? 1.0 : 0.0)));
  }
  return std::log(sum) + largest - logits[flavor];
}

}  // namespace

double head_loss(const HeadLossOptions& options, const HeadTargets& targets,
                 std::span<const float> outputs, std::span<float> gradient) {
  const std::int64_t own = models::num_head_outputs(options.head);
  const std::int64_t width =
      own + (options.flavor_head ? static_cast<std::int64_t>(kNumFlavors) : 0);
  const std::int64_t jets = std::ssize(targets.target);
  JETCAL_DCHECK(std::ssize(outputs) == jets * width && gradient.size() == outputs.size());
  const std::int64_t all_jets = targets.all_jets > 0 ? targets.all_jets : jets;
  double sum = 0;
  for (std::int64_t jet = 0; jet < jets; ++jet) {
    const float* const output = outputs.data() + jet * width;
    float* const grad = gradient.data() + jet * width;
    const double weight = targets.weights.empty() ? 1.0 : targets.weights[jet];
    const double factor = weight / static_cast<double>(all_jets);
    const double y = targets.target[jet];
    const double wanted = y + (targets.offset.empty() ? 0.0 : targets.offset[jet]);
    const Term term = term_of(options.head, wanted, output);
    // Products rather than a selection: NaN * 0 stays NaN.
    const double accepted = std::abs(y) < 1 ? 1 : 0;
    sum += factor * accepted * term.loss;
    for (std::int64_t i = 0; i < own; ++i)
      grad[i] = static_cast<float>(factor * accepted * term.gradient[i]);
    if (!options.flavor_head) continue;
    std::fill_n(grad + own, kNumFlavors, 0.0F);
    const int flavor = targets.flavor[jet];
    if (flavor < 0) continue;
    sum += factor * options.flavor_weight *
           flavor_loss(flavor, output + own, factor * options.flavor_weight, grad + own);
  }
  return sum;
}

}  // namespace jetcal::train
