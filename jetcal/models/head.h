// SPDX-License-Identifier: Apache-2.0
// What the numbers of a head's last layer mean: distributions of y, their median and their width.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>

#include "jetcal/models/model_config.h"

namespace jetcal::models {

/// The quantiles of Head::Quantiles; its outputs stand in this order, the middle one is y.
inline constexpr std::array<double, 5> kQuantiles{0.16, 0.25, 0.5, 0.75, 0.84};

/// Half widths and gaps are softplus(output - kWidthShift): about 0.1 at an output of 0, which is
/// what jets are like, so that training starts near it.
inline constexpr double kWidthShift = 2.25;
inline constexpr double kGapShift = 3;
/// Keeps likelihoods finite; no jet is measured this well.
inline constexpr double kLeastWidth = 1e-3;
/// Share of the narrow part at an output of 0: sigmoid(kShareShift).
inline constexpr double kShareShift = 1.5;

/// Half width of the central 68.27 % of a double exponential distribution, in units of its width:
/// -log(1 - 0.6827).
inline constexpr double kLaplaceHalfWidth = 1.1479;

template <typename T>
T softplus(T x) noexcept {
  return std::max(x, T{0}) + std::log1p(std::exp(-std::abs(x)));
}
template <typename T>
T sigmoid(T x) noexcept {
  return x >= 0 ? T{1} / (T{1} + std::exp(-x)) : std::exp(x) / (T{1} + std::exp(x));
}

/// Turns the numbers of the last layer [J, num_head_outputs(head)] into y [J] and, unless it is
/// empty, the resolution [J]: half the width of the central 68 % of the distribution of y, which is
/// the relative resolution of pt.
///
/// Quantiles: the middle output is the median; the others are gaps between neighbouring quantiles,
/// so that these cannot cross. Gaussian, Laplace: place and width. Mixture: place, narrow width,
/// what the wide one adds to it, share of the narrow part; its resolution is the mean of both.
void read_head(Head head, std::span<const float> outputs, std::span<float> y,
               std::span<float> resolution);

/// Returns the quantiles of one jet from its outputs.
std::array<double, 5> read_quantiles(std::span<const float> outputs);

}  // namespace jetcal::models
