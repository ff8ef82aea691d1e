// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/detail/least_squares.h"

#include <algorithm>
#include <cmath>

namespace jetcal::jec::detail {
namespace {

// Applies the reflection that zeroes column `pivot` of a [n, width] below the diagonal. Returns
// false when nothing is left of the column.
bool reflect(std::vector<double>& a, std::size_t n, std::size_t width, std::size_t pivot) {
  constexpr double kDependent = 1e-11;
  double below = 0, whole = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double square = a[i * width + pivot] * a[i * width + pivot];
    whole += square;
    if (i >= pivot) below += square;
  }
  const double norm = std::sqrt(below);
  if (!(norm > kDependent * std::sqrt(whole))) return false;
  const double diagonal = a[pivot * width + pivot];
  const double target = diagonal > 0 ? -norm : norm;
  std::vector<double> v(n - pivot);
  for (std::size_t i = pivot; i < n; ++i) v[i - pivot] = a[i * width + pivot];
  v[0] -= target;
  double length = 0;
  for (const double x : v) length += x * x;
  for (std::size_t c = pivot; c < width; ++c) {
    double product = 0;
    for (std::size_t i = pivot; i < n; ++i) product += v[i - pivot] * a[i * width + c];
    product *= 2 / length;
    for (std::size_t i = pivot; i < n; ++i) a[i * width + c] -= product * v[i - pivot];
  }
  return true;
}

}  // namespace

std::optional<LinearFit> fit_linear(std::span<const double> design, std::span<const double> y,
                                    std::span<const double> error) {
  const std::size_t n = y.size();
  if (n == 0 || design.size() % n != 0) return std::nullopt;
  const std::size_t k = design.size() / n, width = k + 1;
  if (n < k) return std::nullopt;
  std::vector<double> a(n * width);  // weighted design with y as its last column
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t c = 0; c < k; ++c) a[i * width + c] = design[i * k + c] / error[i];
    a[i * width + k] = y[i] / error[i];
  }
  for (std::size_t pivot = 0; pivot < k; ++pivot) {
    if (!reflect(a, n, width, pivot)) return std::nullopt;
  }
  std::vector<double> inverse(k * k, 0.0);  // of the triangle R, upper
  for (std::size_t c = 0; c < k; ++c) {
    inverse[c * k + c] = 1 / a[c * width + c];
    for (std::size_t r = c; r-- > 0;) {
      double sum = 0;
      for (std::size_t m = r + 1; m <= c; ++m) sum += a[r * width + m] * inverse[m * k + c];
      inverse[r * k + c] = -sum / a[r * width + r];
    }
  }
  LinearFit fit{std::vector<double>(k, 0.0), std::vector<double>(k * k, 0.0), 0};
  for (std::size_t r = 0; r < k; ++r) {
    for (std::size_t m = r; m < k; ++m) fit.parameters[r] += inverse[r * k + m] * a[m * width + k];
    for (std::size_t c = 0; c < k; ++c) {
      for (std::size_t m = std::max(r, c); m < k; ++m)
        fit.covariance[r * k + c] += inverse[r * k + m] * inverse[c * k + m];
    }
  }
  for (std::size_t i = k; i < n; ++i) fit.chi2 += a[i * width + k] * a[i * width + k];
  return fit;
}

}  // namespace jetcal::jec::detail
