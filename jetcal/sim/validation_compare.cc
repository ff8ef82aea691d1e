// SPDX-License-Identifier: Apache-2.0
// Compares simulated jets and events with real ones of the same pT spectrum and pileup.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "jetcal/sim/validation.h"
#include "jetcal/sim/validation_targets.h"

namespace jetcal::sim {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kMinPt = 30;
constexpr double kMaxEta = 2.5;
constexpr std::array kCellPt{30., 40., 55., 80., 120., 200., 400., 7000.};
constexpr double kPileupStep = 5;
constexpr int kPileupCells = 16;  // up to 80 collisions
constexpr double kCentralArea = 2 * 1.3 * 2 * M_PI;
constexpr double kForwardArea = 2 * (2.5 - 1.5) * 2 * M_PI;

struct Mean {
  double value = kNone, error = kNone;
  std::int64_t count = 0;
};

/// Returns the weighted mean of value(row) with its standard error.
Mean weighted_mean(const std::vector<double>& weights,
                   const std::function<double(std::size_t)>& value) {
  Mean mean;
  double sum = 0;
  double total = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    sum += weights[i] * value(i);
    total += weights[i];
    ++mean.count;
  }
  if (total <= 0) return mean;
  mean.value = sum / total;
  double squares = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] > 0) squares += std::pow(weights[i] * (value(i) - mean.value), 2);
  }
  mean.error = std::sqrt(squares) / total;
  return mean;
}

Check row(const char* block, const std::string& name, const Mean& simulated) {
  return {block, name, simulated.value, simulated.error, kNone, kNone, simulated.count, ""};
}

Check row(const char* block, const std::string& name, const Mean& simulated, double real,
          double real_error, const char* source) {
  Check check = row(block, name, simulated);
  check.real = real;
  check.real_error = real_error;
  check.has_real = true;
  check.source = source;
  return check;
}

void judge_constituents(Check& check) {
  check.low = targets::kConstituents.low;
  check.high = targets::kConstituents.high;
  check.source = targets::kConstituentsSource;
}

/// Returns 1 for the jets that take part.
std::vector<double> selected(const ValidationJets& jets) {
  std::vector<double> weights(jets.pt.size(), 0);
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] = jets.pt[i] > kMinPt && std::abs(jets.eta[i]) < kMaxEta ? 1 : 0;
  return weights;
}

/// The numbers of a jet that are compared.
struct JetNumber {
  std::string name;
  std::function<double(const ValidationJets&, std::size_t)> value;
  double stored;
};

std::vector<JetNumber> jet_numbers() {
  const auto all = [](const ValidationJets& jets, std::size_t i) {
    double sum = 0;
    for (const auto& column : jets.constituents) sum += column[i];
    return sum;
  };
  double stored = 0;
  for (const double number : targets::kRealConstituents) stored += number;
  std::vector<JetNumber> numbers{{"constituents", all, stored}};
  for (std::size_t kind = 0; kind < kNumKinds; ++kind) {
    numbers.push_back({std::string("constituents, ") + kKindNames[kind],
                       [kind](const ValidationJets& jets, std::size_t i) {
                         return static_cast<double>(jets.constituents[kind][i]);
                       },
                       targets::kRealConstituents[kind]});
  }
  for (std::size_t kind = 0; kind < kNumKinds; ++kind) {
    numbers.push_back({std::string("pT fraction, ") + kKindNames[kind],
                       [kind](const ValidationJets& jets, std::size_t i) {
                         return static_cast<double>(jets.fraction[kind][i]);
                       },
                       targets::kRealFractions[kind]});
  }
  numbers.push_back(
      {"area",
       [](const ValidationJets& jets, std::size_t i) { return static_cast<double>(jets.area[i]); },
       targets::kRealArea});
  numbers.push_back(
      {"candidates in the box",
       [](const ValidationJets& jets, std::size_t i) { return static_cast<double>(jets.box[i]); },
       targets::kRealBox});
  return numbers;
}

/// Returns the median pT of the candidates of a kind in the boxes, each cell with its weight.
Mean candidate_median(const ValidationJets& jets, std::size_t kind,
                      const std::vector<double>& cell_weights) {
  std::array<double, ValidationJets::kNumPtBins> counts{};
  double total = 0;
  Mean mean;
  for (std::size_t cell = 0; cell < jets.candidate_pt.size(); ++cell) {
    for (std::size_t bin = 0; bin < counts.size(); ++bin) {
      const auto count = jets.candidate_pt[cell][kind][bin];
      if (cell_weights[cell] > 0) mean.count += count;
      counts[bin] += cell_weights[cell] * static_cast<double>(count);
      total += cell_weights[cell] * static_cast<double>(count);
    }
  }
  if (total <= 0) return mean;
  double below = 0;
  for (std::size_t bin = 0; bin < counts.size(); ++bin) {
    if (below + counts[bin] >= total / 2) {
      const double place = static_cast<double>(bin) + (total / 2 - below) / counts[bin];
      mean.value = 0.05 * std::exp(place / 20);
      // Standard error of a median: 1 / (2 density sqrt(n)).
      const double width = 0.05 * (std::exp((place + 0.5) / 20) - std::exp((place - 0.5) / 20));
      mean.error = width / (2 * counts[bin] / total * std::sqrt(static_cast<double>(mean.count)));
      return mean;
    }
    below += counts[bin];
  }
  return mean;
}

int pileup_cell(double num_pileup) {
  const int cell = static_cast<int>(num_pileup / kPileupStep);
  return num_pileup >= 0 && cell < kPileupCells ? cell : -1;
}

/// Returns the weight of each cell that gives the simulated ones the real numbers; counts the real
/// ones in cells without simulated ones.
std::vector<double> cell_weights(const std::vector<std::int64_t>& simulated,
                                 const std::vector<std::int64_t>& real, std::int64_t& unmatched) {
  std::vector<double> weights(simulated.size(), 0);
  unmatched = 0;
  for (std::size_t cell = 0; cell < simulated.size(); ++cell) {
    if (simulated[cell] > 0)
      weights[cell] = static_cast<double>(real[cell]) / static_cast<double>(simulated[cell]);
    else
      unmatched += real[cell];
  }
  return weights;
}

std::vector<std::int64_t> count_cells(const ValidationJets& jets) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(num_cells()), 0);
  for (std::size_t i = 0; i < jets.pt.size(); ++i) {
    const int cell = cell_of(jets.pt[i], jets.num_pileup[i]);
    if (cell >= 0 && std::abs(jets.eta[i]) < kMaxEta) ++counts[static_cast<std::size_t>(cell)];
  }
  return counts;
}

/// The numbers of events: densities of candidates and rho per pileup collision.
std::vector<Check> event_rows(std::span<const EventCounts> events,
                              const std::vector<double>& weights, std::span<const EventCounts> real,
                              const char* source) {
  const std::vector<double> ones(real.size(), 1);
  std::vector<Check> checks;
  const auto add = [&](const std::string& name, double stored, auto&& value) {
    const Mean mean = weighted_mean(weights, [&](std::size_t i) { return value(events[i]); });
    Mean other{stored, kNone, 0};
    if (!real.empty()) other = weighted_mean(ones, [&](std::size_t i) { return value(real[i]); });
    checks.push_back(row("events", name, mean, other.value, other.error, source));
  };
  for (std::size_t kind = 0; kind < kNumKinds; ++kind) {
    const std::string name = kKindNames[kind];
    add("density |eta| < 1.3, " + name, targets::kRealDensityCentral[kind],
        [&](const EventCounts& event) { return event.central[kind] / kCentralArea; });
    add("density 1.5 < |eta| < 2.5, " + name, targets::kRealDensityForward[kind],
        [&](const EventCounts& event) { return event.forward[kind] / kForwardArea; });
  }
  add("rho per pileup collision [GeV]", targets::kRealRhoPerPileup,
      [](const EventCounts& event) { return event.rho / std::max(event.num_pileup, 1.0); });
  return checks;
}

}  // namespace

int cell_of(double pt, double num_pileup) noexcept {
  const auto above = std::upper_bound(kCellPt.begin(), kCellPt.end(), pt);
  const int pileup = pileup_cell(num_pileup);
  if (above == kCellPt.begin() || above == kCellPt.end() || pileup < 0) return -1;
  return static_cast<int>(above - kCellPt.begin() - 1) * kPileupCells + pileup;
}

int num_cells() noexcept { return static_cast<int>(kCellPt.size() - 1) * kPileupCells; }

std::vector<Check> compare_jets(const ValidationJets& jets, const ValidationJets& real,
                                std::int64_t& unmatched) {
  const std::vector<double> by_cell = cell_weights(count_cells(jets), count_cells(real), unmatched);
  std::vector<double> weights = selected(jets);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const int cell = cell_of(jets.pt[i], jets.num_pileup[i]);
    weights[i] *= cell >= 0 ? by_cell[static_cast<std::size_t>(cell)] : 0;
  }
  const std::vector<double> ones = selected(real);
  const char* const source = "the file given, same pT spectrum and pileup";
  std::vector<Check> checks;
  for (const JetNumber& number : jet_numbers()) {
    const Mean mean = weighted_mean(weights, [&](std::size_t i) { return number.value(jets, i); });
    const Mean other = weighted_mean(ones, [&](std::size_t i) { return number.value(real, i); });
    checks.push_back(row("jets", number.name, mean, other.value, other.error, source));
  }
  judge_constituents(checks.front());
  const std::vector<double> plain(by_cell.size(), 1);
  for (std::size_t kind = 0; kind < kNumKinds; ++kind) {
    const Mean mean = candidate_median(jets, kind, by_cell);
    const Mean other = candidate_median(real, kind, plain);
    checks.push_back(row("jets", std::string("median pT in the box, ") + kKindNames[kind], mean,
                         other.value, other.error, source));
  }
  return checks;
}

std::vector<Check> compare_events(std::span<const EventCounts> events,
                                  std::span<const EventCounts> real, std::int64_t& unmatched) {
  const auto count = [](std::span<const EventCounts> list) {
    std::vector<std::int64_t> counts(kPileupCells, 0);
    for (const EventCounts& event : list) {
      const int cell = pileup_cell(event.num_pileup);
      if (cell >= 0) ++counts[static_cast<std::size_t>(cell)];
    }
    return counts;
  };
  const std::vector<double> by_cell = cell_weights(count(events), count(real), unmatched);
  std::vector<double> weights(events.size(), 0);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const int cell = pileup_cell(events[i].num_pileup);
    weights[i] = cell >= 0 ? by_cell[static_cast<std::size_t>(cell)] : 0;
  }
  return event_rows(events, weights, real, "the file given, same pileup");
}

std::vector<Check> compare_with_stored(const ValidationJets& jets,
                                       std::span<const EventCounts> events) {
  std::vector<Check> checks;
  const std::vector<double> weights = selected(jets);
  for (const JetNumber& number : jet_numbers()) {
    const Mean mean = weighted_mean(weights, [&](std::size_t i) { return number.value(jets, i); });
    checks.push_back(row("jets", number.name, mean, number.stored, kNone, targets::kRealSource));
  }
  judge_constituents(checks.front());
  const std::vector<double> plain(static_cast<std::size_t>(num_cells()), 1);
  for (std::size_t kind = 0; kind < kNumKinds && jets.num_jets() > 0; ++kind) {
    checks.push_back(row("jets", std::string("median pT in the box, ") + kKindNames[kind],
                         candidate_median(jets, kind, plain), targets::kRealMedianPt[kind], kNone,
                         "the same, of whole events"));
  }
  if (events.empty()) return checks;
  for (Check& check :
       event_rows(events, std::vector<double>(events.size(), 1), {}, targets::kRealSource))
    checks.push_back(std::move(check));
  return checks;
}

}  // namespace jetcal::sim
