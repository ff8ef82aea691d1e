// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

namespace jetcal::analysis {

namespace {

constexpr int kTableRange = 0;  // pt_gen > 30 GeV

// Rows of cells; the first row is the head. The first column is flush left, the others right.
using Rows = std::vector<std::vector<std::string>>;

std::string lay_out(const Rows& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      line += i == 0 ? fmt::format("{:<{}}", rows[r][i], widths[i])
                     : fmt::format("  {:>{}}", rows[r][i], widths[i]);
    }
    text += line + '\n';
    if (r == 0) text += std::string(line.size(), '-') + '\n';
  }
  return text;
}

std::string with_error(const Estimate& number, double scale, int decimals, bool flagged) {
  if (!std::isfinite(number.value)) return "-";
  std::string text = fmt::format("{:.{}f}", scale * number.value, decimals);
  if (std::isfinite(number.error)) {
    text += fmt::format(" +- {:.{}f}", scale * number.error, decimals);
  }
  return flagged ? text + "*" : text;
}

std::string few_jets_remark(const Analysis& analysis) {
  return fmt::format("* fewer than {} jets, or a flavor with fewer\n", analysis.options.min_jets);
}

}  // namespace

std::string counts_table(const Analysis& analysis) {
  const JetCounts& counts = analysis.counts;
  Rows rows{{"jets", "number"}};
  const auto add = [&](const std::string& name, std::int64_t number) {
    rows.push_back({name, std::to_string(number)});
  };
  add("read", counts.read);
  add("without gen jet, left out", counts.unmatched);
  add("not finite, left out", counts.not_finite);
  add("outside |eta_gen| < 2.5, left out", counts.outside_regions);
  add("used", counts.used);
  add("  undefined flavor (not in flavor numbers)", counts.undefined_flavor);
  add("  pt_gen < 20 GeV (in no bin)", counts.below_bins);
  add("  pt_gen >= 3000 GeV (in no bin)", counts.above_bins);
  add("  |y| >= 1 (not in the loss)", counts.large_target);
  for (std::size_t k = 0; k < analysis.correctors.size(); ++k) {
    if (counts.not_finite_by_corrector[k] == 0) continue;
    add("not finite from " + analysis.correctors[k].name, counts.not_finite_by_corrector[k]);
  }
  std::string text = lay_out(rows);
  if (analysis.reco_threshold > 0) {
    text += fmt::format(
        "pt_reco starts at {:.1f} GeV: bins below {:.0f} GeV in pt_gen are biased by this cut\n",
        analysis.reco_threshold, kCutBiasedBelow);
  }
  return text;
}

std::string loss_table(const Analysis& analysis) {
  Rows rows{{"corrector", "loss", "gain [%]"}};
  for (const CorrectorNumbers& corrector : analysis.correctors) {
    rows.push_back({corrector.name, fmt::format("{:.5f}", corrector.loss),
                    fmt::format("{:.2f}", 100 * corrector.loss_gain)});
  }
  return lay_out(rows);
}

std::string flavor_table(const Analysis& analysis) {
  std::vector<std::string> head{"median response, pt_gen > 30 GeV"};
  for (const CorrectorNumbers& corrector : analysis.correctors) head.push_back(corrector.name);
  Rows rows{head};
  bool flagged = false;
  for (std::size_t region = 0; region < kRegions.size(); ++region) {
    const auto add = [&](std::string_view what, const auto& cell) {
      std::vector<std::string> row{fmt::format("{}, {}", kRegions[region].name, what)};
      for (const CorrectorNumbers& corrector : analysis.correctors) {
        row.push_back(cell(corrector.regions[region].ranges[kTableRange]));
        flagged = flagged || row.back().back() == '*';
      }
      rows.push_back(std::move(row));
    };
    for (std::size_t i = 0; i < edm::kFlavors.size(); ++i) {
      add(flavor_name(edm::kFlavors[i]), [&](const RangeNumbers& numbers) {
        const bool few = numbers.flavor_jets[i] < analysis.options.min_jets;
        return with_error(numbers.flavor_medians[i], 1, 4, few);
      });
    }
    add("sum of absolute errors", [](const RangeNumbers& numbers) {
      return with_error(numbers.sae, 1, 4, numbers.too_few_flavored);
    });
  }
  return lay_out(rows) + (flagged ? few_jets_remark(analysis) : "");
}

std::string gain_table(const Analysis& analysis) {
  std::vector<std::string> head{"pt_gen [GeV]"};
  for (std::size_t k = 1; k < analysis.correctors.size(); ++k) {
    head.push_back("alpha " + analysis.correctors[k].name + " [%]");
  }
  for (std::size_t k = 1; k < analysis.correctors.size(); ++k) {
    head.push_back("beta " + analysis.correctors[k].name + " [%]");
  }
  Rows rows{head};
  bool flagged = false;
  for (std::size_t range = 0; range < kPtRanges.size(); ++range) {
    for (std::size_t region = 0; region < kRegions.size(); ++region) {
      std::vector<std::string> alphas, betas;
      for (std::size_t k = 1; k < analysis.correctors.size(); ++k) {
        const RangeNumbers& numbers = analysis.correctors[k].regions[region].ranges[range];
        alphas.push_back(with_error(numbers.alpha, 100, 1, numbers.too_few_flavored));
        betas.push_back(with_error(numbers.beta, 100, 1, numbers.too_few_jets));
        flagged = flagged || numbers.too_few_flavored;
      }
      std::vector<std::string> row{
          fmt::format("{:<8}  {}", kPtRanges[range].name, kRegions[region].name)};
      row.insert(row.end(), alphas.begin(), alphas.end());
      row.insert(row.end(), betas.begin(), betas.end());
      rows.push_back(std::move(row));
    }
  }
  return lay_out(rows) + (flagged ? few_jets_remark(analysis) : "");
}

}  // namespace jetcal::analysis
