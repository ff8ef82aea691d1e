// SPDX-License-Identifier: Apache-2.0
// Fits and inverts the response of a bin of |eta|: L2Relative.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "jetcal/base/error.h"
#include "jetcal/jec/detail/derive_fits.h"
#include "jetcal/jec/detail/least_squares.h"
#include "jetcal/jec/detail/robust.h"

namespace jetcal::jec {
namespace {

constexpr double kPivot = 100;    // GeV: keeps the polynomial's variable near [-1, 2]
constexpr int kShapeSteps = 200;  // points where a polynomial's shape is looked at

double variable(double pt) { return std::log10(pt / kPivot); }

double horner(const std::vector<double>& coefficients, double t) {
  double value = 0;
  for (std::size_t k = coefficients.size(); k-- > 0;) value = coefficients[k] + t * value;
  return value;
}

double variance(const detail::LinearFit& fit, double t) {
  const std::size_t k = fit.parameters.size();
  double sum = 0;
  for (std::size_t r = 0; r < k; ++r) {
    for (std::size_t c = 0; c < k; ++c)
      sum += fit.covariance[r * k + c] * std::pow(t, static_cast<double>(r + c));
  }
  return sum;
}

// A jet of the bin: pt_gen and the pt after L1.
struct Jet {
  double pt_gen, pt_l1;
};

struct Bins {
  std::vector<std::vector<Jet>> jets;
  std::vector<std::int64_t> gen_jets;  // matched or not
};

Bins make_bins(const edm::CalibrationJets& jets, std::span<const std::int64_t> rows,
               const OffsetFit& offset, std::span<const std::int64_t> gen_counts,
               std::int64_t minimum, std::int64_t& merged) {
  const std::span<const double> edges = detail::pt_gen_edges();
  std::vector<std::vector<Jet>> fine(edges.size() - 1);
  for (const std::int64_t row : rows) {
    const double pt_gen = jets.pt_gen[row], pt_raw = jets.pt_raw[row];
    const auto edge = std::upper_bound(edges.begin() + 1, edges.end() - 1, pt_gen);
    fine[edge - edges.begin() - 1].push_back(
        {pt_gen, pt_raw * offset.factor(jets.rho[row], pt_raw, jets.area[row])});
  }
  std::vector<std::int64_t> counts;
  counts.reserve(fine.size());
  for (const auto& bin : fine) counts.push_back(static_cast<std::int64_t>(bin.size()));
  const std::vector<std::size_t> groups = detail::merge_bins(counts, minimum);
  Bins bins;
  for (std::size_t g = 0; g + 1 < groups.size(); ++g) {
    std::vector<Jet> group;
    std::int64_t gen_jets = 0, filled = 0;
    for (std::size_t i = groups[g]; i < groups[g + 1]; ++i) {
      group.insert(group.end(), fine[i].begin(), fine[i].end());
      gen_jets += gen_counts[i];
      filled += fine[i].empty() ? 0 : 1;
    }
    if (group.empty()) continue;
    merged += filled - 1;
    bins.jets.push_back(std::move(group));
    bins.gen_jets.push_back(gen_jets);
  }
  return bins;
}

ResponsePoint measure(const std::vector<Jet>& jets, std::int64_t gen_jets) {
  std::vector<double> responses, pt_gen;
  for (const Jet& jet : jets) {
    responses.push_back(jet.pt_l1 / jet.pt_gen);
    pt_gen.push_back(jet.pt_gen);
  }
  const detail::Measured response = detail::median(responses);
  const double center = detail::quantile(pt_gen, 0.5);
  const auto n = static_cast<std::int64_t>(jets.size());
  return {center,
          center * response.value,
          response.value,
          response.error,
          1.0,
          n,
          gen_jets > 0 ? static_cast<double>(n) / static_cast<double>(gen_jets) : 0};
}

// Numerical inversion needs a pt after L1 that rises with pt_gen: cuts the lowest bins until it
// does.
void cut_below_turn(ResponseFit& fit, Bins& bins) {
  std::size_t first = fit.points.size() - 1;
  const auto good = [&](std::size_t i) {
    return fit.points[i].pt_l1 > 0 && fit.points[i].error > 0 &&
           fit.points[i].pt_l1 < fit.points[i + 1].pt_l1;
  };
  while (first > 0 && good(first - 1)) --first;
  fit.not_invertible = static_cast<std::int64_t>(first);
  const auto count = static_cast<std::ptrdiff_t>(first);
  fit.points.erase(fit.points.begin(), fit.points.begin() + count);
  bins.jets.erase(bins.jets.begin(), bins.jets.begin() + count);
  bins.gen_jets.erase(bins.gen_jets.begin(), bins.gen_jets.begin() + count);
}

// A factor is of use when it is near 1 and the corrected pt rises with pt.
bool usable(const std::vector<double>& coefficients, Range pt) {
  constexpr double kSmallest = 0.2, kLargest = 5;
  double last = 0;
  for (int i = 0; i <= kShapeSteps; ++i) {
    const double x = pt.low * std::pow(pt.high / pt.low, static_cast<double>(i) / kShapeSteps);
    const double factor = horner(coefficients, variable(x));
    if (!(factor > kSmallest && factor < kLargest && factor * x > last)) return false;
    last = factor * x;
  }
  return true;
}

std::optional<detail::LinearFit> fit_polynomial(const std::vector<ResponsePoint>& points,
                                                const std::vector<double>& factors, int degree) {
  std::vector<double> design, error;
  for (const ResponsePoint& point : points) {
    for (int k = 0; k <= degree; ++k) design.push_back(std::pow(variable(point.pt_l1), k));
    error.push_back(point.error / (point.response * point.response));
  }
  return detail::fit_linear(design, factors, error);
}

// Chooses the degree by Akaike's criterion, corrected for few points.
std::optional<detail::LinearFit> choose_degree(const ResponseFit& fit,
                                               const std::vector<double>& factors,
                                               const DeriveOptions& options) {
  std::optional<detail::LinearFit> best;
  double best_criterion = std::numeric_limits<double>::infinity();
  const int n = static_cast<int>(fit.points.size());
  const int highest =
      std::max(std::min(options.max_degree, n - 3), std::min(options.min_degree, n - 1));
  for (int degree = std::min(options.min_degree, highest); degree <= highest; ++degree) {
    auto candidate = fit_polynomial(fit.points, factors, degree);
    if (!candidate || !usable(candidate->parameters, fit.pt)) continue;
    const double k = degree + 1;
    const double criterion =
        candidate->chi2 + 2 * k + (n - k > 1 ? 2 * k * (k + 1) / (n - k - 1) : 0);
    if (criterion >= best_criterion) continue;
    best_criterion = criterion;
    best = std::move(candidate);
  }
  return best;
}

double closure_of(const std::vector<Jet>& jets, const ResponseFit& fit) {
  std::vector<double> responses;
  responses.reserve(jets.size());
  for (const Jet& jet : jets) responses.push_back(fit.factor(jet.pt_l1) * jet.pt_l1 / jet.pt_gen);
  return detail::quantile(responses, 0.5);
}

// Fits, measures the response again with the correction, and moves the points by what is left.
void iterate(ResponseFit& fit, const Bins& bins, const DeriveOptions& options) {
  std::vector<double> factors;
  for (const ResponsePoint& point : fit.points) factors.push_back(1 / point.response);
  std::optional<detail::LinearFit> polynomial;
  for (int i = 0; i < options.iterations; ++i) {
    const ResponseFit before = fit;
    polynomial = choose_degree(fit, factors, options);
    if (!polynomial) {
      fail(ErrorCode::InvalidArgument, "no smooth L2 correction fits the response in ",
           fit.abs_eta.low, " <= |eta| < ", fit.abs_eta.high, ": ", fit.points.size(),
           " bins of pt_gen from ", fit.jets, " jets");
    }
    fit.coefficients = polynomial->parameters;
    double change = 0;
    for (std::size_t b = 0; b < fit.points.size(); ++b) {
      ResponsePoint& point = fit.points[b];
      const double factor = fit.factor(point.pt_l1);
      if (i > 0) change = std::max(change, std::abs(factor / before.factor(point.pt_l1) - 1));
      point.closure = closure_of(bins.jets[b], fit);
      factors[b] = factor / point.closure;
    }
    if (i > 0) fit.changes.push_back(change);
  }
  fit.chi2 = polynomial->chi2;
  for (const ResponsePoint& point : fit.points) {
    const double t = variable(point.pt_l1);
    fit.errors.push_back(
        {point.pt_l1, std::sqrt(variance(*polynomial, t)) / horner(fit.coefficients, t)});
  }
}

}  // namespace

double ResponseFit::factor(double pt_value) const noexcept {
  return horner(coefficients, variable(std::clamp(pt_value, pt.low, pt.high)));
}

namespace detail {

std::span<const double> pt_gen_edges() {
  static const std::vector<double> kEdges = [] {
    constexpr double kLowest = 10, kHighest = 6500, kStep = 1.16;
    std::vector<double> edges;
    for (double edge = kLowest; edge < kHighest; edge *= kStep) edges.push_back(edge);
    edges.push_back(kHighest);
    return edges;
  }();
  return kEdges;
}

ResponseFit fit_response(const edm::CalibrationJets& jets, std::span<const std::int64_t> rows,
                         Range abs_eta, const OffsetFit& offset,
                         std::span<const std::int64_t> gen_counts, const DeriveOptions& options) {
  ResponseFit fit;
  fit.abs_eta = abs_eta;
  fit.jets = static_cast<std::int64_t>(rows.size());
  Bins bins = make_bins(jets, rows, offset, gen_counts, options.min_jets_pt, fit.merged_bins);
  for (std::size_t b = 0; b < bins.jets.size(); ++b)
    fit.points.push_back(measure(bins.jets[b], bins.gen_jets[b]));
  if (fit.points.empty()) {
    fail(ErrorCode::InvalidArgument, "no matched jets in ", abs_eta.low, " <= |eta| < ",
         abs_eta.high);
  }
  cut_below_turn(fit, bins);
  fit.pt = {rounded(fit.points.front().pt_l1), rounded(fit.points.back().pt_l1)};
  iterate(fit, bins, options);
  for (double& coefficient : fit.coefficients) coefficient = rounded(coefficient);
  return fit;
}

}  // namespace detail
}  // namespace jetcal::jec
