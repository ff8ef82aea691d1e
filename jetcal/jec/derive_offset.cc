// SPDX-License-Identifier: Apache-2.0
// Fits the pileup offset of a bin of |eta|: L1FastJet.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "jetcal/base/error.h"
#include "jetcal/jec/detail/derive_fits.h"
#include "jetcal/jec/detail/least_squares.h"
#include "jetcal/jec/detail/robust.h"

namespace jetcal::jec {
namespace {

constexpr double kSmallestFactor = 1e-4;  // CMS's
constexpr double kPivot = 15;             // GeV, of the logarithm
constexpr std::size_t kPileupBins = 6, kMinPtBins = 3, kMaxPtBins = 10;

struct Cell {
  double rho, log_pt, density, error;
};

// Edges of bins of pt_gen with about equally many jets, so few that cells have twice the minimum.
std::vector<float> pt_edges(const edm::CalibrationJets& jets, std::span<const std::int64_t> rows,
                            std::int64_t min_jets_cell) {
  std::vector<float> pt_gen;
  for (const std::int64_t row : rows) pt_gen.push_back(jets.pt_gen[row]);
  std::sort(pt_gen.begin(), pt_gen.end());
  const std::size_t bins =
      std::clamp(pt_gen.size() / (2 * kPileupBins * static_cast<std::size_t>(min_jets_cell)),
                 kMinPtBins, kMaxPtBins);
  std::vector<float> edges{0};
  for (std::size_t i = 1; i < bins && !pt_gen.empty(); ++i)
    edges.push_back(pt_gen[i * pt_gen.size() / bins]);
  edges.push_back(std::numeric_limits<float>::infinity());
  return edges;
}

template <typename T>
std::size_t bin_of(std::span<const T> edges, T value) {
  return static_cast<std::size_t>(std::upper_bound(edges.begin() + 1, edges.end() - 1, value) -
                                  edges.begin() - 1);
}

std::vector<Cell> make_cells(const edm::CalibrationJets& jets, std::span<const std::int64_t> rows,
                             std::span<const int> pileup, const DeriveOptions& options,
                             OffsetFit& fit) {
  const std::vector<float> edges = pt_edges(jets, rows, options.min_jets_cell);
  const std::span<const float> pt(edges);
  std::vector<std::vector<std::int64_t>> members((pt.size() - 1) * (pileup.size() - 1));
  for (const std::int64_t row : rows) {
    members[bin_of(pt, jets.pt_gen[row]) * (pileup.size() - 1) +
            bin_of(pileup, jets.num_pileup[row])]
        .push_back(row);
  }
  std::vector<Cell> cells;
  std::vector<double> densities;
  for (const std::vector<std::int64_t>& cell : members) {
    if (cell.empty()) continue;
    if (static_cast<std::int64_t>(cell.size()) < options.min_jets_cell) {
      ++fit.skipped_cells;
      continue;
    }
    densities.clear();
    double rho = 0, log_pt = 0;
    for (const std::int64_t row : cell) {
      densities.push_back((static_cast<double>(jets.pt_raw[row]) - jets.pt_raw_no_pileup[row]) /
                          jets.area[row]);
      rho += jets.rho[row];
      log_pt += std::log(jets.pt_raw[row] / kPivot);
    }
    const auto n = static_cast<double>(cell.size());
    const detail::Measured offset = detail::trimmed_mean(densities, options.trim);
    if (!(offset.error > 0)) {
      ++fit.skipped_cells;
      continue;
    }
    cells.push_back({rho / n, log_pt / n, offset.value, offset.error});
  }
  return cells;
}

// y = density (rho - rho_zero) (1 + log_slope L), by Gauss and Newton from the fit without L.
std::optional<detail::LinearFit> fit_cells(const std::vector<Cell>& cells) {
  constexpr int kSteps = 30;
  constexpr double kConverged = 1e-12;
  std::vector<double> design, y, error;
  for (const Cell& cell : cells) {
    design.insert(design.end(), {1.0, cell.rho});
    y.push_back(cell.density);
    error.push_back(cell.error);
  }
  const auto start = detail::fit_linear(design, y, error);
  if (!start || !(start->parameters[1] > 0)) return std::nullopt;
  std::array<double, 3> p{-start->parameters[0] / start->parameters[1], start->parameters[1], 0};
  std::optional<detail::LinearFit> step;
  for (int i = 0; i < kSteps; ++i) {
    design.clear();
    y.clear();
    for (const Cell& cell : cells) {
      const double slope = 1 + p[2] * cell.log_pt, rho = cell.rho - p[0];
      design.insert(design.end(), {-p[1] * slope, rho * slope, p[1] * rho * cell.log_pt});
      y.push_back(cell.density - p[1] * rho * slope);
    }
    step = detail::fit_linear(design, y, error);
    if (!step) return std::nullopt;
    double size = 0;
    for (std::size_t k = 0; k < p.size(); ++k) {
      p[k] += step->parameters[k];
      size = std::max(size, std::abs(step->parameters[k]) / (1 + std::abs(p[k])));
    }
    if (size < kConverged) break;
  }
  if (!(p[1] > 0) || !std::isfinite(p[0]) || !std::isfinite(p[2])) return std::nullopt;
  step->parameters.assign(p.begin(), p.end());
  return step;
}

}  // namespace

double OffsetFit::factor(double rho_value, double pt_value, double area_value) const noexcept {
  const double x = std::clamp(rho_value, rho.low, rho.high);
  const double y = std::clamp(pt_value, pt.low, pt.high);
  const double z = std::clamp(area_value, area.low, area.high);
  return std::max(kSmallestFactor,
                  1 - z / y * (density * (x - rho_zero) * (1 + log_slope * std::log(y / kPivot))));
}

namespace detail {

std::vector<int> pileup_edges(const edm::CalibrationJets& jets,
                              std::span<const std::int64_t> rows) {
  std::vector<int> collisions;
  collisions.reserve(rows.size());
  for (const std::int64_t row : rows) collisions.push_back(jets.num_pileup[row]);
  std::sort(collisions.begin(), collisions.end());
  if (collisions.empty() || collisions.front() == collisions.back()) {
    fail(ErrorCode::InvalidArgument,
         "L1 needs jets with different pileup, and all of the sample have ",
         collisions.empty() ? 0 : collisions.front(), " pileup collisions");
  }
  std::vector<int> edges;
  for (std::size_t i = 0; i < kPileupBins; ++i) {
    const int edge = collisions[i * collisions.size() / kPileupBins];
    if (edges.empty() || edge > edges.back()) edges.push_back(edge);
  }
  if (edges.size() == 1) edges.push_back(collisions.back());
  edges.push_back(collisions.back() + 1);
  return edges;
}

OffsetFit fit_offset(const edm::CalibrationJets& jets, std::span<const std::int64_t> rows,
                     Range abs_eta, std::span<const int> pileup, const DeriveOptions& options) {
  OffsetFit fit;
  fit.abs_eta = abs_eta;
  fit.jets = static_cast<std::int64_t>(rows.size());
  const std::vector<Cell> cells = make_cells(jets, rows, pileup, options, fit);
  fit.cells = static_cast<std::int64_t>(cells.size());
  constexpr std::int64_t kMinCells = 6;
  if (fit.cells < kMinCells) {
    fail(ErrorCode::InvalidArgument, "too few jets for L1 in ", abs_eta.low, " <= |eta| < ",
         abs_eta.high, ": ", fit.jets, " jets with a partner without pileup fill ", fit.cells,
         " cells with ", options.min_jets_cell, " jets, and ", kMinCells, " are needed");
  }
  const auto solution = fit_cells(cells);
  if (!solution) {
    fit.no_offset = true;
    return fit;
  }
  fit.rho_zero = rounded(solution->parameters[0]);
  fit.density = rounded(solution->parameters[1]);
  fit.log_slope = rounded(solution->parameters[2]);
  fit.rho_zero_error = std::sqrt(solution->covariance[0]);
  fit.density_error = std::sqrt(solution->covariance[4]);
  fit.log_slope_error = std::sqrt(solution->covariance[8]);
  fit.chi2 = solution->chi2;
  return fit;
}

}  // namespace detail
}  // namespace jetcal::jec
