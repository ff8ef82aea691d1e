// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/loss.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
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
  num_jets += other.num_jets;
  rejected_jets += other.rejected_jets;
  return *this;
}

double LossSum::mean() const noexcept {
  return num_jets == 0 ? std::numeric_limits<double>::quiet_NaN()
                       : absolute_error / static_cast<double>(num_jets);
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
LossSum sum_chunks(std::span<const float> target, const PredictionOfChunk& prediction) {
  LossSum sum;
  const auto size = static_cast<std::int64_t>(target.size());
  for (std::int64_t begin = 0; begin < size; begin += kChunk) {
    const std::int64_t count = std::min(kChunk, size - begin);
    const at::Tensor y = as_double(target, begin, count);
    sum.absolute_error +=
        detail::loss_terms(y, prediction(begin, count)).sum().template item<double>();
    sum.num_jets += count;
    sum.rejected_jets += count - y.abs().lt(1).sum().template item<std::int64_t>();
  }
  return sum;
}

}  // namespace

LossSum sum_loss(std::span<const float> target, std::span<const float> prediction) {
  JETCAL_DCHECK(target.size() == prediction.size());
  return sum_chunks(target, [prediction](std::int64_t begin, std::int64_t count) {
    return as_double(prediction, begin, count);
  });
}

LossSum sum_loss(std::span<const float> target, double constant) {
  return sum_chunks(target, [constant](std::int64_t /*begin*/, std::int64_t count) {
    return at::full({count}, constant, at::kDouble);
  });
}

double best_constant(std::span<const float> target) {
  std::vector<float> kept;
  kept.reserve(target.size());
  for (const float y : target) {
    if (std::abs(y) < 1) kept.push_back(y);
  }
  if (kept.empty()) {
    fail(ErrorCode::InvalidArgument, "none of the ", target.size(),
         " training jets has a target with |y| < 1");
  }
  const auto middle = kept.begin() + static_cast<std::ptrdiff_t>(kept.size() / 2);
  std::nth_element(kept.begin(), middle, kept.end());
  if (kept.size() % 2 == 1) return *middle;
  const float below = *std::max_element(kept.begin(), middle);
  return (static_cast<double>(below) + static_cast<double>(*middle)) / 2;
}

}  // namespace jetcal::train
