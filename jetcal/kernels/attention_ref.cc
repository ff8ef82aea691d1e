// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "jetcal/kernels/detail/attention_kernels.h"
#include "jetcal/kernels/pair_constants.h"

namespace jetcal::kernels::detail {
namespace {

void pairs(const PairRows& rows) {
  for (std::int64_t i = 0; i < rows.n; ++i) {
    for (std::int64_t j = 0; j < rows.n; ++j) {
      const double eta = static_cast<double>(rows.d_eta[i]) - rows.d_eta[j];
      const double phi = static_cast<double>(rows.d_phi[i]) - rows.d_phi[j];
      const double squared = eta * eta + phi * phi + kSmallestSquaredDistance;
      const double below = -std::abs(static_cast<double>(rows.log_pt[i]) - rows.log_pt[j]);
      const std::int64_t place = i * rows.stride + j;
      rows.log_distance[place] = static_cast<float>(std::log(squared) / 2);
      rows.log_share[place] = static_cast<float>(below - std::log1p(std::exp(below)));
    }
  }
}

double score_of(const ScoreRows& rows, std::int64_t i, std::int64_t j, double product) {
  const std::int64_t place = i * rows.stride + j;
  return rows.scale * product + static_cast<double>(rows.bias.distance) * rows.log_distance[place] +
         static_cast<double>(rows.bias.smaller) * std::min(rows.log_pt[i], rows.log_pt[j]) +
         static_cast<double>(rows.bias.share) * rows.log_share[place] +
         static_cast<double>(rows.bias.neighbor) * rows.log_pt[j];
}

void softmax(const ScoreRows& rows, float* scores) {
  for (std::int64_t i = 0; i < rows.n; ++i) {
    float* row = scores + i * rows.stride;
    double largest = score_of(rows, i, 0, row[0]);
    for (std::int64_t j = 1; j < rows.n; ++j) {
      largest = std::max(largest, score_of(rows, i, j, row[j]));
    }
    double total = 0;
    for (std::int64_t j = 0; j < rows.n; ++j) {
      total += std::exp(score_of(rows, i, j, row[j]) - largest);
    }
    for (std::int64_t j = 0; j < rows.n; ++j) {
      row[j] = static_cast<float>(std::exp(score_of(rows, i, j, row[j]) - largest) / total);
    }
  }
}

void softmax_gradient(const ScoreRows& rows, const ScoreGradient& gradient) {
  for (std::int64_t i = 0; i < rows.n; ++i) {
    const float* p = gradient.probabilities + i * rows.stride;
    float* grad = gradient.grad + i * rows.stride;
    double mean = 0;
    for (std::int64_t j = 0; j < rows.n; ++j) mean += static_cast<double>(p[j]) * grad[j];
    for (std::int64_t j = 0; j < rows.n; ++j) {
      const double score = p[j] * (grad[j] - mean);
      const std::int64_t place = i * rows.stride + j;
      gradient.sums[0] += score * rows.log_distance[place];
      gradient.sums[1] += score * std::min(rows.log_pt[i], rows.log_pt[j]);
      gradient.sums[2] += score * rows.log_share[place];
      gradient.sums[3] += score * rows.log_pt[j];
      grad[j] = static_cast<float>(score * rows.scale);
    }
  }
}

}  // namespace

const AttentionKernels kAttentionRef{1, pairs, softmax, softmax_gradient};

}  // namespace jetcal::kernels::detail
