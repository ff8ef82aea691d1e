// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/detail/robust.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "jetcal/base/random.h"

namespace jetcal::jec::detail {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Draws from the gamma distribution, shape >= 1 (Marsaglia and Tsang 2000).
double gamma_variate(double shape, Rng& rng) {
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = rng.normal();
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(1 - rng.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

double beta_variate(double a, double b, Rng& rng) {
  const double x = gamma_variate(a, rng);
  return x / (x + gamma_variate(b, rng));
}

double at_uniform(const std::vector<double>& ascending, double u) {
  const auto n = ascending.size();
  return ascending[std::min(n - 1, static_cast<std::size_t>(u * static_cast<double>(n)))];
}

// The median of one bootstrap sample.
double resampled_median(const std::vector<double>& ascending, Rng& rng) {
  const std::size_t n = ascending.size(), half = n / 2;
  const double lower = beta_variate(static_cast<double>(n - half), static_cast<double>(half + 1),
                                    rng);  // U_(n - half)
  const double first = at_uniform(ascending, lower);
  if (n % 2 == 1) return first;
  // Given U_(half), the next one is the smallest of `half` numbers uniform above it.
  const double rest = std::pow(1 - rng.uniform(), 1 / static_cast<double>(half));
  return 0.5 * (first + at_uniform(ascending, 1 - (1 - lower) * rest));
}

}  // namespace

double quantile(std::vector<double>& values, double probability) {
  if (values.empty()) return kNaN;
  const double h = probability * static_cast<double>(values.size() - 1);
  const auto at = static_cast<std::ptrdiff_t>(h);
  const auto low = values.begin() + at;
  std::nth_element(values.begin(), low, values.end());
  if (h == static_cast<double>(at)) return *low;
  const double next = *std::min_element(low + 1, values.end());
  return *low + (h - static_cast<double>(at)) * (next - *low);
}

Measured median(std::vector<double>& values) {
  constexpr double kMedianFactor = 1.2533, kLower = 0.15866, kUpper = 0.84134;
  const double sigma = 0.5 * (quantile(values, kUpper) - quantile(values, kLower));
  return {quantile(values, 0.5),
          kMedianFactor * sigma / std::sqrt(static_cast<double>(values.size()))};
}

Measured trimmed_mean(std::vector<double>& values, double part) {
  if (values.empty()) return {kNaN, kNaN};
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  const auto cut = static_cast<std::size_t>(part * static_cast<double>(n));
  double sum = 0, winsorized = 0;
  for (std::size_t i = cut; i < n - cut; ++i) sum += values[i];
  winsorized = sum + static_cast<double>(cut) * (values[cut] + values[n - 1 - cut]);
  const double center = winsorized / static_cast<double>(n);
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double value = values[std::clamp(i, cut, n - 1 - cut)];
    squares += (value - center) * (value - center);
  }
  const auto kept = static_cast<double>(n - 2 * cut);
  const double sigma = n > 1 ? std::sqrt(squares / static_cast<double>(n - 1)) : kNaN;
  return {sum / kept, sigma * std::sqrt(static_cast<double>(n)) / kept};
}

Measured bootstrapped_median(std::vector<double>& values, int resamplings, std::uint64_t seed) {
  if (values.empty()) return {kNaN, kNaN};
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  const double center = 0.5 * (values[(n - 1) / 2] + values[n / 2]);
  Rng rng(seed);
  double sum = 0, squares = 0;
  for (int i = 0; i < resamplings; ++i) {
    const double shift = resampled_median(values, rng) - center;
    sum += shift;
    squares += shift * shift;
  }
  if (resamplings < 2) return {center, kNaN};
  const double mean = sum / resamplings;
  return {center, std::sqrt(std::max(0.0, (squares - sum * mean) / (resamplings - 1)))};
}

}  // namespace jetcal::jec::detail
