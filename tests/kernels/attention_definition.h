// SPDX-License-Identifier: Apache-2.0
// Attention of one jet's particles in double, as the paper writes it: what the kernels are held to.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "jetcal/kernels/attention.h"

namespace jetcal::kernels {

using Doubles = std::vector<double>;

/// Returns ln dR, ln kT, ln z and ln m^2 of two momenta (ln pT, d_eta, d_phi).
template <typename T>
std::array<double, kPairQuantities> pair_quantities_of(const T* a, const T* b) {
  const double eta = static_cast<double>(a[1]) - b[1];
  const double phi = static_cast<double>(a[2]) - b[2];
  const double smaller = std::min(a[0], b[0]);
  const double larger = std::max(a[0], b[0]);
  const double squared = eta * eta + phi * phi + kSmallestSquaredDistance;
  // ln(pT_a + pT_b) without the overflow of a large logarithm.
  const double log_sum = larger + std::log1p(std::exp(smaller - larger));
  return {std::log(squared) / 2, smaller + std::log(squared) / 2, smaller - log_sum,
          static_cast<double>(a[0]) + b[0] + std::log(squared)};
}

/// Holds the inputs of attention over all jets in double.
struct AttentionCase {
  AttentionShape shape;
  std::vector<std::int64_t> offsets;
  Doubles momenta, qkv, pair_weight;
};

struct AttentionScores {
  Doubles probability;       // [n] of one particle and head
  double largest_terms = 0;  // sum of the sizes of the terms of a score, at most
};

inline AttentionScores scores_of(const AttentionCase& input, std::int64_t begin, std::int64_t end,
                                 std::int64_t i, std::int64_t head) {
  const auto [heads, units] = input.shape;
  const std::int64_t width = heads * units;
  AttentionScores scores;
  for (std::int64_t j = begin; j < end; ++j) {
    double score = 0;
    double terms = 0;
    for (std::int64_t c = head * units; c < (head + 1) * units; ++c) {
      const double term = input.qkv[i * 3 * width + c] * input.qkv[j * 3 * width + width + c] /
                          std::sqrt(static_cast<double>(units));
      score += term;
      terms += std::abs(term);
    }
    const auto quantities = pair_quantities_of(&input.momenta[i * 3], &input.momenta[j * 3]);
    for (std::int64_t q = 0; q < kPairQuantities; ++q) {
      const double term = input.pair_weight[head * kPairQuantities + q] * quantities[q];
      score += term;
      terms += 3 * std::abs(term);  // the kernels make ln kT and ln m^2 of their parts
    }
    scores.probability.push_back(score);
    scores.largest_terms = std::max(scores.largest_terms, terms);
  }
  const double top = *std::max_element(scores.probability.begin(), scores.probability.end());
  double total = 0;
  for (double& p : scores.probability) total += p = std::exp(p - top);
  for (double& p : scores.probability) p /= total;
  return scores;
}

/// Computes y [P, width]; `terms` [P, width], if given, gets what rounding errors are relative to:
/// sum_j p |v| times the size of the terms of a score.
inline Doubles attention_of(const AttentionCase& input, Doubles* terms = nullptr) {
  const auto [heads, units] = input.shape;
  const std::int64_t width = heads * units;
  Doubles y(static_cast<std::size_t>(input.offsets.back() * width));
  if (terms != nullptr) terms->assign(y.size(), 0.0);
  for (std::size_t jet = 0; jet + 1 < input.offsets.size(); ++jet) {
    const std::int64_t begin = input.offsets[jet];
    const std::int64_t end = input.offsets[jet + 1];
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t head = 0; head < heads; ++head) {
        const AttentionScores scores = scores_of(input, begin, end, i, head);
        for (std::int64_t c = head * units; c < (head + 1) * units; ++c) {
          for (std::int64_t j = begin; j < end; ++j) {
            const double part = scores.probability[j - begin] * input.qkv[(j * 3 + 2) * width + c];
            y[i * width + c] += part;
            if (terms != nullptr) {
              (*terms)[i * width + c] += std::abs(part) * (1 + scores.largest_terms);
            }
          }
        }
      }
    }
  }
  return y;
}

}  // namespace jetcal::kernels
