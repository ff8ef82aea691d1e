// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/correction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "jetcal/sim/cards.h"

namespace jetcal::sim {

namespace {

constexpr std::array kOffsetEdges{0.0, 1.45, 2.4, 3.0, 5.0};
constexpr std::array kEtaEdges{0.4, 0.8, 1.2, 1.45, 1.65, 2.0, 2.4, 2.7, 3.0, 5.0};
constexpr std::array kPtEdges{10., 14.,  18.,  22.,  27.,  33.,  42.,  54.,   70.,
                              90., 120., 160., 220., 320., 480., 700., 1100., 5000.};
/// Density of a crossing without pileup: the underlying event belongs to the jet (CMS UL18: 2.3).
constexpr double kRhoOffset = 2.0;
constexpr std::size_t kMinJets = 40;

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Returns the slope of pt_raw against rho * area at fixed pt_gen: least squares within narrow bins
/// of pt_gen, so that the response drops out.
double offset_slope(std::span<const CalibrationJet> jets) {
  double sum_xy = 0;
  double sum_xx = 0;
  for (double low = 12; low < 100; low *= 1.12) {
    std::vector<const CalibrationJet*> bin;
    double mean_x = 0;
    double mean_y = 0;
    for (const CalibrationJet& jet : jets) {
      if (jet.pt_gen < low || jet.pt_gen >= 1.12 * low) continue;
      bin.push_back(&jet);
      mean_x += jet.rho * jet.area;
      mean_y += jet.pt_raw;
    }
    if (bin.size() < 10) continue;
    mean_x /= static_cast<double>(bin.size());
    mean_y /= static_cast<double>(bin.size());
    // Each bin counts by its resolution, which grows with pt_gen.
    for (const CalibrationJet* jet : bin) {
      const double x = jet->rho * jet->area - mean_x;
      sum_xy += x * (jet->pt_raw - mean_y) / low;
      sum_xx += x * x / low;
    }
  }
  return sum_xx > 0 ? std::max(sum_xy / sum_xx, 0.0) : 0;
}

}  // namespace

Correction Correction::read(const Config& card) {
  Correction c;
  c.eta_edges_ = card.require<std::vector<double>>("eta_edges");
  c.slope_ = card.require<std::vector<double>>("offset_slope");
  c.rho_offset_ = card.require<double>("rho_offset");
  c.pt_ = card.require<std::vector<std::vector<double>>>("pt");
  c.factor_ = card.require<std::vector<std::vector<double>>>("factor");
  const std::size_t bins = c.eta_edges_.size();
  bool good =
      bins > 0 && c.slope_.size() == bins && c.pt_.size() == bins && c.factor_.size() == bins;
  for (std::size_t bin = 0; good && bin < bins; ++bin)
    good = !c.pt_[bin].empty() && c.pt_[bin].size() == c.factor_[bin].size();
  if (!good)
    fail(ErrorCode::InvalidArgument, card.source(),
         ": offset_slope, pt and factor need one entry per bin of eta_edges, pt and factor of one "
         "bin the same length");
  return c;
}

Correction Correction::standard() {
  return read(Config::parse(correction_card(), "the compiled-in correction"));
}

namespace {

/// A point of the response curve: the median pT after the offset, 1 / response, and how many jets.
struct CurvePoint {
  double pt, factor, jets;
};

std::vector<CurvePoint> response_curve(std::span<const CalibrationJet> jets, double slope) {
  std::vector<CurvePoint> curve;
  for (std::size_t i = 0; i + 1 < kPtEdges.size(); ++i) {
    std::vector<double> response;
    std::vector<double> pt;
    for (const CalibrationJet& jet : jets) {
      if (jet.pt_gen < kPtEdges[i] || jet.pt_gen >= kPtEdges[i + 1]) continue;
      const double pt1 = jet.pt_raw - jet.area * slope * (jet.rho - kRhoOffset);
      pt.push_back(pt1);
      response.push_back(pt1 / jet.pt_gen);
    }
    if (response.size() < kMinJets) continue;
    // Numerical inversion: at the pT that jets of this pt_gen have, divide by their response.
    const double center = median(pt);
    if (center <= 0 || (!curve.empty() && center <= curve.back().pt)) continue;
    curve.push_back({center, 1 / median(response), static_cast<double>(response.size())});
  }
  return curve;
}

/// Replaces the factors by the parabola in log pT that fits them best, each weighted by its jets
/// and by its pT, with which the resolution improves.
void smooth(std::vector<CurvePoint>& curve) {
  constexpr std::size_t kTerms = 3;
  if (curve.size() <= kTerms) return;
  std::array<std::array<double, kTerms + 1>, kTerms> m{};
  const auto power = [](double pt, std::size_t n) {
    return std::pow(std::log(pt / 100), static_cast<double>(n));
  };
  for (const CurvePoint& point : curve) {
    const double weight = point.jets * std::min(point.pt, 200.0);
    for (std::size_t r = 0; r < kTerms; ++r) {
      for (std::size_t c = 0; c < kTerms; ++c) m[r][c] += weight * power(point.pt, r + c);
      m[r][kTerms] += weight * power(point.pt, r) * point.factor;
    }
  }
  // Gauss and Jordan; the matrix is positive definite, so no pivoting.
  for (std::size_t p = 0; p < kTerms; ++p) {
    for (std::size_t r = 0; r < kTerms; ++r) {
      if (r == p) continue;
      const double share = m[r][p] / m[p][p];
      for (std::size_t c = p; c <= kTerms; ++c) m[r][c] -= share * m[p][c];
    }
  }
  for (CurvePoint& point : curve) {
    point.factor = 0;
    for (std::size_t n = 0; n < kTerms; ++n)
      point.factor += m[n][kTerms] / m[n][n] * power(point.pt, n);
  }
}

std::vector<CalibrationJet> within(std::span<const CalibrationJet> jets, double low, double high) {
  std::vector<CalibrationJet> kept;
  for (const CalibrationJet& jet : jets) {
    if (std::abs(jet.eta) >= low && std::abs(jet.eta) < high) kept.push_back(jet);
  }
  return kept;
}

}  // namespace

Correction Correction::derive(std::span<const CalibrationJet> jets) {
  Correction c;
  c.rho_offset_ = kRhoOffset;
  c.eta_edges_.assign(kEtaEdges.begin(), kEtaEdges.end());
  double low = 0;
  for (const double high : kEtaEdges) {
    // The offset changes slowly: one number for barrel, endcap, the part without tracker, forward.
    std::size_t part = 0;
    while (part + 1 < kOffsetEdges.size() && low >= kOffsetEdges[part + 1]) ++part;
    const double slope = offset_slope(within(jets, kOffsetEdges[part], kOffsetEdges[part + 1]));
    std::vector<CurvePoint> curve = response_curve(within(jets, low, high), slope);
    if (curve.empty())
      fail(ErrorCode::FailedPrecondition, "too few jets at |eta| from ", low, " to ", high,
           " to derive a correction; simulate more events");
    smooth(curve);
    c.slope_.push_back(slope);
    c.pt_.emplace_back();
    c.factor_.emplace_back();
    for (const CurvePoint& point : curve) {
      c.pt_.back().push_back(point.pt);
      c.factor_.back().push_back(point.factor);
    }
    low = high;
  }
  return c;
}

std::size_t Correction::bin_of(double eta) const {
  std::size_t bin = 0;
  while (bin + 1 < eta_edges_.size() && std::abs(eta) >= eta_edges_[bin]) ++bin;
  return bin;
}

double Correction::response_factor(std::size_t bin, double pt) const {
  const std::vector<double>& points = pt_[bin];
  const std::vector<double>& factors = factor_[bin];
  const auto above = std::upper_bound(points.begin(), points.end(), pt);
  if (above == points.begin()) return factors.front();
  if (above == points.end()) return factors.back();
  const auto i = static_cast<std::size_t>(above - points.begin());
  const double share = std::log(pt / points[i - 1]) / std::log(points[i] / points[i - 1]);
  return factors[i - 1] + share * (factors[i] - factors[i - 1]);
}

double Correction::after_offset(double pt_raw, double eta, double area, double rho) const {
  const double offset = area * slope_[bin_of(eta)] * (rho - rho_offset_);
  return std::max(pt_raw - offset, 0.01 * pt_raw);
}

double Correction::factor(double pt_raw, double eta, double area, double rho) const {
  const double pt = after_offset(pt_raw, eta, area, rho);
  return pt / pt_raw * response_factor(bin_of(eta), pt);
}

static void print_list(std::ostringstream& text, const std::vector<double>& values) {
  text << '[';
  for (std::size_t i = 0; i < values.size(); ++i) text << (i > 0 ? ", " : "") << values[i];
  text << "]\n";
}

std::string Correction::to_yaml(const std::string& header) const {
  std::ostringstream text;
  text.precision(5);
  text << header << "rho_offset: " << rho_offset_ << "\neta_edges: ";
  print_list(text, eta_edges_);
  text << "offset_slope: ";
  print_list(text, slope_);
  for (const auto& [name, table] : {std::pair{"pt", &pt_}, std::pair{"factor", &factor_}}) {
    text << name << ":\n";
    for (const std::vector<double>& row : *table) {
      text << "  - ";
      print_list(text, row);
    }
  }
  return text.str();
}

}  // namespace jetcal::sim
