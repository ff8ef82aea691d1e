// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/validation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <numeric>

#include "jetcal/analysis/quantiles.h"
#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/edm/flavor.h"
#include "jetcal/sim/validation_targets.h"

namespace jetcal::sim {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kBarrelEnd = 1.3;
constexpr double kEndcapEnd = 2.5;

std::string text(const char* format, double a, double b = 0) {
  char buffer[96];
  std::snprintf(buffer, sizeof(buffer), format, a, b);
  return buffer;
}

/// Returns the L1 factors; those of rows without a jet mean nothing.
std::vector<double> l1_factors(const edm::CalibrationJets& jets,
                               const jec::JetCorrector& corrector) {
  const auto to_double = [](const std::vector<float>& column) {
    return std::vector<double>(column.begin(), column.end());
  };
  std::vector<double> pt = to_double(jets.pt_raw);
  for (double& value : pt) value = std::max(value, 1.0);
  const std::vector<double> eta = to_double(jets.eta);
  const std::vector<double> phi(pt.size(), 0);
  const std::vector<double> area = to_double(jets.area);
  const std::vector<double> rho = to_double(jets.rho);
  jec::JetTable table;
  table.rows = jets.num_jets();
  table.columns = {{"JetPt", pt}, {"JetEta", eta}, {"JetPhi", phi}, {"JetA", area}, {"Rho", rho}};
  std::vector<double> factors(pt.size());
  corrector.factors_up_to(1, table, factors);
  return factors;
}

/// Measures the response after L1 where the median pT after L1 is `pt`.
Check check_response(const edm::CalibrationJets& jets, const std::vector<double>& l1,
                     const targets::ResponseRow& row, std::size_t point) {
  constexpr double kWindow = 1.2;
  constexpr std::int64_t kMinJets = 50;
  const double pt = targets::kResponsePt[point];
  const double target = row.response[point];
  double middle = pt / target;
  Spread spread{};
  for (int round = 0; round < 5; ++round) {
    std::vector<double> values;
    std::vector<double> pt_l1;
    for (std::size_t i = 0; i < l1.size(); ++i) {
      const double abs_eta = std::abs(jets.eta_gen[i]);
      if (jets.pt_raw[i] <= 0 || abs_eta < row.abs_eta.low || abs_eta >= row.abs_eta.high) continue;
      if (jets.pt_gen[i] < middle / kWindow || jets.pt_gen[i] >= middle * kWindow) continue;
      values.push_back(jets.pt_raw[i] * l1[i] / jets.pt_gen[i]);
      pt_l1.push_back(jets.pt_raw[i] * l1[i]);
    }
    spread.count = static_cast<std::int64_t>(values.size());
    if (spread.count < kMinJets) break;
    std::sort(pt_l1.begin(), pt_l1.end());
    middle *= pt / analysis::quantile(pt_l1, 0.5);
    if (round == 4) spread = measure_spread(values, 1 + point);
  }
  // Measured is what the margin exceeds by three errors.
  const bool enough =
      spread.count >= kMinJets && 3 * spread.median_error < targets::kResponseMargin;
  return {"response after L1",
          text("|eta| %.1f, raw pT %.0f GeV", row.eta, pt),
          enough ? spread.median : kNone,
          enough ? spread.median_error : kNone,
          target - targets::kResponseMargin,
          target + targets::kResponseMargin,
          spread.count,
          targets::kResponseSource};
}

/// Measures what pileup adds to a jet of 100 GeV at rho 20, scaled to area 0.503: the mean of
/// (pT with - pT without) / area without the outer tenths.
Check check_offset(const edm::CalibrationJets& jets) {
  constexpr double kArea = 0.503;
  std::vector<double> offsets;
  for (std::size_t i = 0; i < jets.pt_gen.size(); ++i) {
    if (std::abs(jets.eta_gen[i]) >= kBarrelEnd || std::abs(jets.rho[i] - 20) > 2) continue;
    if (jets.pt_gen[i] < 70 || jets.pt_gen[i] > 150) continue;
    if (jets.pt_raw[i] <= 0 || jets.pt_raw_no_pileup[i] <= 0 || jets.area[i] <= 0) continue;
    offsets.push_back((jets.pt_raw[i] - jets.pt_raw_no_pileup[i]) / jets.area[i] * kArea);
  }
  Check check{"pileup offset",
              "barrel, rho 20, area .503, pT_gen 70-150",
              kNone,
              kNone,
              targets::kOffset.low,
              targets::kOffset.high,
              static_cast<std::int64_t>(offsets.size()),
              targets::kOffsetSource};
  if (offsets.size() < 50) return check;
  std::sort(offsets.begin(), offsets.end());
  const std::size_t cut = offsets.size() / 10;
  const std::span<const double> kept(offsets.data() + cut, offsets.size() - 2 * cut);
  const auto count = static_cast<double>(kept.size());
  check.value = std::accumulate(kept.begin(), kept.end(), 0.0) / count;
  double squares = 0;
  for (const double x : kept) squares += (x - check.value) * (x - check.value);
  check.error = std::sqrt(squares) / count;
  return check;
}

/// Collects the corrected responses that pass.
template <typename Passes>
std::vector<double> responses(const ValidationJets& jets, Passes&& passes) {
  std::vector<double> values;
  for (std::size_t i = 0; i < jets.pt.size(); ++i) {
    if (jets.pt_gen[i] > 20 && passes(i)) values.push_back(jets.pt[i] / jets.pt_gen[i]);
  }
  return values;
}

Check check_resolution(const ValidationJets& jets, const targets::ResolutionRow& row) {
  const double step = std::pow(3000.0 / 20.0, 1.0 / 19);
  const double bin = std::floor(std::log(row.pt / 20) / std::log(step));
  const double low = 20 * std::pow(step, bin);
  const double high = low * step;
  const Spread spread = measure_spread(responses(jets,
                                                 [&](std::size_t i) {
                                                   return std::abs(jets.eta_gen[i]) < kBarrelEnd &&
                                                          jets.pt_gen[i] >= low &&
                                                          jets.pt_gen[i] < high;
                                                 }),
                                       11);
  return {"IQR / median after JEC",
          text("barrel, pT_gen %.0f-%.0f GeV", low, high),
          spread.resolution,
          spread.resolution_error,
          row.resolution * (1 - targets::kResolutionMargin),
          row.resolution * (1 + targets::kResolutionMargin),
          spread.count,
          targets::kResolutionSource};
}

/// The medians of u d s c b g in a region, the u - g difference, and the order of flavors.
void check_flavors(const ValidationJets& jets, const char* region, double low, double high,
                   std::vector<Check>& checks) {
  constexpr std::array<std::int32_t, 6> kFlavors{2, 1, 3, 4, 5, 21};
  constexpr std::array<const char*, 6> kNames{"u", "d", "s", "c", "b", "g"};
  std::array<Spread, 6> spreads;
  for (std::size_t f = 0; f < kFlavors.size(); ++f) {
    spreads[f] = measure_spread(responses(jets,
                                          [&](std::size_t i) {
                                            const double abs_eta = std::abs(jets.eta_gen[i]);
                                            return jets.flavor[i] == kFlavors[f] &&
                                                   jets.pt_gen[i] > 30 && abs_eta >= low &&
                                                   abs_eta < high;
                                          }),
                                21 + f);
    checks.push_back({"flavor medians after JEC", std::string(region) + ", " + kNames[f],
                      spreads[f].median, spreads[f].median_error, kNone, kNone, spreads[f].count,
                      ""});
  }
  const auto difference = [&](std::size_t a, std::size_t b) {
    return std::pair(spreads[a].median - spreads[b].median,
                     std::hypot(spreads[a].median_error, spreads[b].median_error));
  };
  const auto [gap, gap_error] = difference(0, 5);
  checks.push_back({"u - g after JEC", std::string(region) + ", pT_gen > 30 GeV", gap, gap_error,
                    targets::kFlavorGap.low, targets::kFlavorGap.high,
                    spreads[0].count + spreads[5].count, targets::kFlavorSource});
  // The smallest step down from one group to the next; positive when the order holds.
  for (const std::size_t group : {std::size_t{0}, std::size_t{2}}) {
    std::pair<double, double> least{std::numeric_limits<double>::infinity(), 0};
    std::int64_t count = 0;
    for (std::size_t a = group; a < group + 2; ++a) {
      for (std::size_t b = group + 2; b < group + 4; ++b) {
        const auto step = difference(a, b);
        // A flavor without jets (NaN) fails for good.
        if (!std::isnan(least.first) && !(step.first >= least.first)) least = step;
        count += spreads[a].count + spreads[b].count;
      }
    }
    checks.push_back(
        {"flavor order",
         std::string(region) + (group == 0 ? ", u d above s c by" : ", s c above b g by"),
         least.first, least.second, 0, std::numeric_limits<double>::infinity(), count / 2,
         "arXiv 2308.12724 fig. 6"});
  }
}

}  // namespace

std::size_t kind_of(std::int32_t pdg) noexcept {
  const int id = std::abs(pdg);
  if (id == 22 || id == 2) return 1;
  return id == 130 || id == 1 ? 2 : 0;
}

bool Check::has_target() const noexcept { return !std::isnan(low); }
bool Check::passed() const noexcept { return value >= low && value <= high; }

Spread measure_spread(std::span<const double> values, std::uint64_t seed) {
  constexpr int kResamplings = 200;
  Spread spread{static_cast<std::int64_t>(values.size()), kNone, kNone, kNone, kNone};
  if (values.empty()) return spread;
  std::vector<std::uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return values[a] < values[b]; });
  const analysis::Quartiles all = analysis::quartiles(values, order);
  spread.median = all.q50;
  spread.resolution = all.resolution();
  Rng rng(seed);
  std::vector<std::uint16_t> counts(values.size());
  double median2 = 0;
  double resolution2 = 0;
  for (int i = 0; i < kResamplings; ++i) {
    std::fill(counts.begin(), counts.end(), std::uint16_t{0});
    for (std::size_t k = 0; k < values.size(); ++k) ++counts[rng.below(values.size())];
    const analysis::Quartiles one = analysis::resampled_quartiles(values, order, counts);
    median2 += (one.q50 - all.q50) * (one.q50 - all.q50);
    resolution2 += std::pow(one.resolution() - spread.resolution, 2);
  }
  spread.median_error = std::sqrt(median2 / kResamplings);
  spread.resolution_error = std::sqrt(resolution2 / kResamplings);
  return spread;
}

void ValidationJets::append(const edm::JetView& jets, std::span<const float> pileup) {
  candidate_pt.resize(static_cast<std::size_t>(num_cells()));
  for (std::int64_t j = 0; j < jets.num_jets; ++j) {
    const auto row = static_cast<std::size_t>(j);
    const int cell =
        std::abs(jets.eta[row]) < kEndcapEnd ? cell_of(jets.pt_reco[row], pileup[row]) : -1;
    std::array<std::int32_t, kNumKinds> count{};
    std::array<double, kNumKinds> sum{};
    std::int32_t in_box = 0;
    for (auto k = static_cast<std::size_t>(jets.offsets[row]);
         k < static_cast<std::size_t>(jets.offsets[row + 1]); ++k) {
      const std::size_t kind = kind_of(jets.pf_id[k]);
      const double candidate = jets.pf_pt[k];
      if (std::abs(jets.pf_d_eta[k]) < 1 && std::abs(jets.pf_d_phi[k]) < 1) {
        ++in_box;
        // 20 bins a factor e, from 0.05 GeV.
        // In this order NaN falls into the first bin and infinity into the last one.
        constexpr double kLastBin = kNumPtBins - 1;
        const double place = 20 * std::log(std::max(0.05, candidate) / 0.05);
        const auto bin = static_cast<std::size_t>(std::min(kLastBin, place));
        if (cell >= 0) ++candidate_pt[static_cast<std::size_t>(cell)][kind][bin];
      }
      if (jets.pf_from_jet[k] == 0) continue;
      ++count[kind];
      sum[kind] += candidate;
    }
    const double total = sum[0] + sum[1] + sum[2];
    for (std::size_t kind = 0; kind < kNumKinds; ++kind) {
      constituents[kind].push_back(count[kind]);
      fraction[kind].push_back(total > 0 ? static_cast<float>(sum[kind] / total) : 0);
    }
    box.push_back(in_box);
    pt.push_back(jets.pt_reco[row]);
    pt_raw.push_back(jets.pt_raw[row]);
    eta.push_back(jets.eta[row]);
    area.push_back(jets.area[row]);
    rho.push_back(jets.rho[row]);
    pt_gen.push_back(jets.pt_gen[row]);
    eta_gen.push_back(jets.eta_gen[row]);
    num_pileup.push_back(pileup[row]);
    flavor.push_back(static_cast<std::int32_t>(
        edm::jet_flavor(jets.hadron_flavor[row], jets.parton_flavor[row])));
  }
}

std::vector<Check> check_calibration(const edm::CalibrationJets& jets,
                                     const jec::JetCorrector& corrector) {
  const std::vector<double> l1 = l1_factors(jets, corrector);
  std::vector<Check> checks;
  for (const targets::ResponseRow& row : targets::kResponse) {
    for (std::size_t point = 0; point < targets::kResponsePt.size(); ++point)
      checks.push_back(check_response(jets, l1, row, point));
  }
  checks.push_back(check_offset(jets));
  return checks;
}

std::vector<Check> check_sample(const ValidationJets& jets) {
  std::vector<Check> checks;
  checks.reserve(targets::kResolution.size());
  for (const targets::ResolutionRow& row : targets::kResolution)
    checks.push_back(check_resolution(jets, row));
  check_flavors(jets, "barrel", 0, kBarrelEnd, checks);
  check_flavors(jets, "endcap", kBarrelEnd, kEndcapEnd, checks);
  return checks;
}

}  // namespace jetcal::sim
