// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/loss.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/train/detail/loss_terms.h"

namespace jetcal::train {

at::Tensor detail::loss_terms(const at::Tensor& target, const at::Tensor& prediction) {
  // A product rather than a selection: NaN * 0 stays NaN, so bad numbers never pass unnoticed.
  return (target - prediction).abs() * target.abs().lt(1).to(target.scalar_type());
}

LossSum& LossSum::operator+=(const LossSum& other) noexcept {
  absolute_error += other.absolute_error;
  weight += other.weight;
  num_jets += other.num_jets;
  rejected_jets += other.rejected_jets;
  return *this;
}

double LossSum::mean() const noexcept {
  return weight == 0 ? std::numeric_limits<double>::quiet_NaN() : absolute_error / weight;
}

namespace {

// Below libtorch's grain for parallel sums, so the order of addition never depends on threads.
constexpr std::int64_t kChunk = 16384;

at::Tensor as_double(std::span<const float> values, std::int64_t begin, std::int64_t count) {
  // from_blob wants a pointer that may be written through; the copy below only reads.
  auto* const data = const_cast<float*>(values.data() + begin);
  return at::from_blob(data, {count}, at::kFloat).to(at::kDouble);
}

template <typename PredictionOfChunk>
LossSum sum_chunks(std::span<const float> target, std::span<const float> weight,
                   const PredictionOfChunk& prediction) {
  JETCAL_DCHECK(weight.empty() || weight.size() == target.size());
  LossSum sum;
  const auto size = static_cast<std::int64_t>(target.size());
  for (std::int64_t begin = 0; begin < size; begin += kChunk) {
    const std::int64_t count = std::min(kChunk, size - begin);
    const at::Tensor y = as_double(target, begin, count);
    at::Tensor terms = detail::loss_terms(y, prediction(begin, count));
    if (weight.empty()) {
      sum.weight += static_cast<double>(count);
    } else {
      const at::Tensor w = as_double(weight, begin, count);
      terms = terms * w;
      sum.weight += w.sum().template item<double>();
    }
    sum.absolute_error += terms.sum().template item<double>();
    sum.num_jets += count;
    sum.rejected_jets += count - y.abs().lt(1).sum().template item<std::int64_t>();
  }
  return sum;
}

}  // namespace

LossSum sum_loss(std::span<const float> target, std::span<const float> prediction,
                 std::span<const float> weight) {
  JETCAL_DCHECK(target.size() == prediction.size());
  return sum_chunks(target, weight, [prediction](std::int64_t begin, std::int64_t count) {
    return as_double(prediction, begin, count);
  });
}

LossSum sum_loss(std::span<const float> target, double constant, std::span<const float> weight) {
  return sum_chunks(target, weight, [constant](std::int64_t /*begin*/, std::int64_t count) {
    return at::full({count}, constant, at::kDouble);
  });
}

namespace {

double plain_median(std::vector<float> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  const float below = *std::max_element(values.begin(), middle);
  return (static_cast<double>(below) + static_cast<double>(*middle)) / 2;
}

// Pairs are (value, weight), weights positive.
double weighted_median(std::vector<std::pair<float, float>> pairs) {
  std::sort(pairs.begin(), pairs.end());
  double total = 0;
  for (const auto& [value, weight] : pairs) total += weight;
  double below = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    below += pairs[i].second;
    if (2 * below == total && i + 1 < pairs.size())
      return (static_cast<double>(pairs[i].first) + static_cast<double>(pairs[i + 1].first)) / 2;
    if (2 * below >= total) return pairs[i].first;
  }
  return pairs.back().first;
}

[[noreturn]] void fail_no_target(std::size_t jets) {
  fail(ErrorCode::InvalidArgument, "none of the ", jets,
       " training jets has a target with |y| < 1 and a positive weight");
}

}  // namespace

double best_constant(std::span<const float> target, std::span<const float> weight) {
  JETCAL_DCHECK(weight.empty() || weight.size() == target.size());
  if (weight.empty()) {
    std::vector<float> kept;
    kept.reserve(target.size());
    std::copy_if(target.begin(), target.end(), std::back_inserter(kept),
                 [](float y) { return std::abs(y) < 1; });
    if (kept.empty()) fail_no_target(target.size());
    return plain_median(std::move(kept));
  }
  std::vector<std::pair<float, float>> kept;
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (std::abs(target[i]) < 1 && weight[i] > 0) kept.emplace_back(target[i], weight[i]);
  }
  if (kept.empty()) fail_no_target(target.size());
  return weighted_median(std::move(kept));
}

}  // namespace jetcal::train
