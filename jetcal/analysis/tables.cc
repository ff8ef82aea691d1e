// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/tables.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <string>
#include <string_view>

namespace jetcal::analysis {

namespace {

std::string with_error(const Estimate& number, double scale, int decimals, bool flagged) {
  if (!std::isfinite(number.value)) return "-";
  std::string text = fmt::format("{:.{}f}", scale * number.value, decimals);
  if (std::isfinite(number.error)) {
    text += fmt::format(" +- {:.{}f}", scale * number.error, decimals);
  }
  return flagged ? text + "*" : text;
}

const RangeNumbers& numbers_of(const Analysis& analysis, std::size_t corrector, int region,
                               int range) {
  return analysis.correctors[corrector].regions[region].ranges[range];
}

std::string range_label(const Analysis& analysis, int range) {
  const bool biased = numbers_of(analysis, 0, 0, range).cut_biased;
  return std::string(kPtRanges[range].name) + (biased ? " #" : "");
}

// Explains the marks that the cells carry.
void add_remarks(const Analysis& analysis, Table& table) {
  bool few = false, biased = table.title.ends_with('#');
  for (const std::vector<std::string>& row : table.rows) {
    for (const std::string& cell : row) {
      few = few || cell.ends_with('*');
      biased = biased || cell.ends_with('#');
    }
  }
  if (few)
    table.remarks.push_back(
        fmt::format("* fewer than {} jets, or a flavor with fewer", analysis.options.min_jets));
  if (biased)
    table.remarks.push_back(
        fmt::format("# starts below {:.0f} GeV: biased by the threshold on pt_reco, {:.1f} GeV",
                    kCutBiasedBelow, analysis.reco_threshold));
}

// Adds a row for every range and region, with the cells of the models.
void add_gain_rows(
    const Analysis& analysis, Table& table,
    const std::function<void(int region, int range, std::vector<std::string>& row)>& add_cells) {
  for (int range = 0; range < kNumRanges; ++range) {
    for (int region = 0; region < kNumRegions; ++region) {
      std::vector<std::string> row{range_label(analysis, range),
                                   std::string(kRegions[region].name)};
      add_cells(region, range, row);
      table.rows.push_back(std::move(row));
    }
  }
  add_remarks(analysis, table);
}

std::string alpha_cell(const RangeNumbers& numbers) {
  return with_error(numbers.alpha, 100, 1, numbers.too_few_flavored);
}
std::string beta_cell(const RangeNumbers& numbers) {
  return with_error(numbers.beta, 100, 1, numbers.too_few_jets);
}

// A table with the rows range, region, corrector.
Table corrector_rows(const Analysis& analysis, const std::string& title,
                     const std::vector<Column>& columns,
                     const std::function<std::vector<std::string>(const RangeNumbers&)>& cells) {
  Table table{title, {{"pt_gen [GeV]", ""}, {"region", ""}, {"corrector", ""}}, 3, {}, {}};
  table.columns.insert(table.columns.end(), columns.begin(), columns.end());
  for (int range = 0; range < kNumRanges; ++range) {
    for (int region = 0; region < kNumRegions; ++region) {
      for (std::size_t k = 0; k < analysis.correctors.size(); ++k) {
        std::vector<std::string> row{range_label(analysis, range),
                                     std::string(kRegions[region].name),
                                     analysis.correctors[k].name};
        const auto more = cells(numbers_of(analysis, k, region, range));
        row.insert(row.end(), more.begin(), more.end());
        table.rows.push_back(std::move(row));
      }
    }
  }
  add_remarks(analysis, table);
  return table;
}

}  // namespace

Table counts_table(const Analysis& analysis) {
  const JetCounts& counts = analysis.counts;
  Table table{"Jets", {{"jets", ""}, {"number", ""}}, 1, {}, {}};
  const auto add = [&](const std::string& name, std::int64_t number) {
    table.rows.push_back({name, std::to_string(number)});
  };
  add("read", counts.read);
  add("without gen jet, left out", counts.unmatched);
  add("not finite, left out", counts.not_finite);
  add("outside |eta_gen| < 2.5, left out", counts.outside_regions);
  add("used", counts.used);
  add("used, undefined flavor (not in flavor numbers)", counts.undefined_flavor);
  add("used, pt_gen < 20 GeV (in no bin)", counts.below_bins);
  add("used, pt_gen >= 3000 GeV (in no bin)", counts.above_bins);
  add("used, |y| >= 1 (not in the loss)", counts.large_target);
  for (std::size_t i = 0; i < kPileupVariables.size(); ++i) {
    if (counts.outside_pileup_bins[i] == 0) continue;
    add(fmt::format("used, {} in no bin", kPileupVariables[i].name), counts.outside_pileup_bins[i]);
  }
  for (std::size_t k = 0; k < analysis.correctors.size(); ++k) {
    if (counts.not_finite_by_corrector[k] == 0) continue;
    add("no positive finite pT from " + analysis.correctors[k].name,
        counts.not_finite_by_corrector[k]);
  }
  if (analysis.reco_threshold > 0) {
    table.remarks.push_back(fmt::format(
        "pt_reco starts at {:.1f} GeV: numbers below {:.0f} GeV in pt_gen are biased by this cut",
        analysis.reco_threshold, kCutBiasedBelow));
  }
  return table;
}

Table loss_table(const Analysis& analysis) {
  Table table{"Loss on the target y = log(pt_gen / pt_reco)",
              {{"corrector", ""}, {"loss", ""}, {"gain [%]", ""}},
              1,
              {},
              {}};
  for (const CorrectorNumbers& corrector : analysis.correctors) {
    table.rows.push_back({corrector.name, with_error(corrector.loss, 1, 5, false),
                          with_error(corrector.loss_gain, 100, 2, false)});
  }
  return table;
}

Table gain_table(const Analysis& analysis) {
  Table table{"Gains over " + analysis.correctors[0].name +
                  " in percent: alpha, flavor dependence; "
                  "beta, relative resolution",
              {{"pt_gen [GeV]", ""}, {"region", ""}},
              2,
              {},
              {}};
  for (const char* group : {"alpha", "beta"}) {
    for (std::size_t k = 1; k < analysis.correctors.size(); ++k)
      table.columns.push_back({analysis.correctors[k].name, group});
  }
  add_gain_rows(analysis, table, [&](int region, int range, std::vector<std::string>& row) {
    for (std::size_t k = 1; k < analysis.correctors.size(); ++k)
      row.push_back(alpha_cell(numbers_of(analysis, k, region, range)));
    for (std::size_t k = 1; k < analysis.correctors.size(); ++k)
      row.push_back(beta_cell(numbers_of(analysis, k, region, range)));
  });
  return table;
}

std::vector<Table> gain_tables(const Analysis& analysis) {
  std::vector<Table> tables;
  for (const bool alpha : {true, false}) {
    Table table{alpha ? "alpha [%]: gain in flavor dependence over " + analysis.correctors[0].name
                      : "beta [%]: gain in relative resolution over " + analysis.correctors[0].name,
                {{"pt_gen [GeV]", ""}, {"region", ""}},
                2,
                {},
                {}};
    for (std::size_t k = 1; k < analysis.correctors.size(); ++k)
      table.columns.push_back({analysis.correctors[k].name, ""});
    add_gain_rows(analysis, table, [&](int region, int range, std::vector<std::string>& row) {
      for (std::size_t k = 1; k < analysis.correctors.size(); ++k) {
        const RangeNumbers& numbers = numbers_of(analysis, k, region, range);
        row.push_back(alpha ? alpha_cell(numbers) : beta_cell(numbers));
      }
    });
    tables.push_back(std::move(table));
  }
  return tables;
}

Table flavor_table(const Analysis& analysis, int range) {
  const bool cut_biased = numbers_of(analysis, 0, 0, range).cut_biased;
  Table table{fmt::format("Median response by flavor, pt_gen {} GeV{}", kPtRanges[range].name,
                          cut_biased ? " #" : ""),
              {{"region", ""}, {"corrector", ""}},
              2,
              {},
              {}};
  for (const edm::Flavor flavor : edm::kFlavors)
    table.columns.push_back({std::string(flavor_name(flavor)), ""});
  table.columns.push_back({"SAE", ""});
  const auto add = [&](int region, const std::string& name, const auto& cell,
                       const std::string& last) {
    std::vector<std::string> row{std::string(kRegions[region].name), name};
    for (std::size_t i = 0; i < edm::kFlavors.size(); ++i) row.push_back(cell(i));
    row.push_back(last);
    table.rows.push_back(std::move(row));
  };
  for (int region = 0; region < kNumRegions; ++region) {
    for (std::size_t k = 0; k < analysis.correctors.size(); ++k) {
      const RangeNumbers& numbers = numbers_of(analysis, k, region, range);
      add(
          region, analysis.correctors[k].name,
          [&](std::size_t i) {
            return with_error(numbers.flavor_medians[i], 1, 4,
                              numbers.flavor_jets[i] < analysis.options.min_jets);
          },
          with_error(numbers.sae, 1, 4, numbers.too_few_flavored));
    }
    const RangeNumbers& numbers = numbers_of(analysis, 0, region, range);
    add(
        region, "jets", [&](std::size_t i) { return std::to_string(numbers.flavor_jets[i]); },
        std::to_string(numbers.jets));
  }
  table.remarks.emplace_back(
      "SAE: sum over the flavors of |median - mean of the six medians|; its jets include those of "
      "undefined flavor");
  add_remarks(analysis, table);
  return table;
}

Table range_table(const Analysis& analysis) {
  return corrector_rows(analysis, "Median response and relative resolution",
                        {{"jets", ""}, {"median", ""}, {"(q75 - q25) / median", ""}},
                        [](const RangeNumbers& numbers) {
                          return std::vector<std::string>{
                              std::to_string(numbers.jets),
                              with_error(numbers.median, 1, 4, numbers.too_few_jets),
                              with_error(numbers.resolution, 1, 4, numbers.too_few_jets)};
                        });
}

Table both_regions_table(const Analysis& analysis) {
  Table table{"Both regions together, |eta_gen| < 2.5",
              {{"pt_gen [GeV]", ""},
               {"corrector", ""},
               {"jets", ""},
               {"median", ""},
               {"(q75 - q25) / median", ""},
               {"alpha [%]", ""},
               {"beta [%]", ""}},
              2,
              {},
              {}};
  for (int range = 0; range < kNumRanges; ++range) {
    for (const CorrectorNumbers& corrector : analysis.correctors) {
      const RangeNumbers& numbers = corrector.both_regions[range];
      table.rows.push_back({range_label(analysis, range), corrector.name,
                            std::to_string(numbers.jets),
                            with_error(numbers.median, 1, 4, numbers.too_few_jets),
                            with_error(numbers.resolution, 1, 4, numbers.too_few_jets),
                            alpha_cell(numbers), beta_cell(numbers)});
    }
  }
  add_remarks(analysis, table);
  return table;
}

Table residual_table(const Analysis& analysis) {
  std::vector<Column> columns;
  columns.reserve(kFlavorPairs.size());
  for (const FlavorPair& pair : kFlavorPairs) columns.push_back({std::string(pair.name), ""});
  return corrector_rows(
      analysis, "Differences of median responses between flavors, in percent", columns,
      [](const RangeNumbers& numbers) {
        std::vector<std::string> cells;
        for (const FlavorResidual& residual : numbers.residuals)
          cells.push_back(with_error(residual.difference, 100, 2, residual.too_few_jets));
        return cells;
      });
}

std::vector<Table> pileup_tables(const Analysis& analysis) {
  std::vector<Table> tables;
  const std::vector<PileupDependence>& listed = analysis.correctors[0].regions[0].pileup;
  for (std::size_t first = 0; first < listed.size(); first += kNumRanges) {
    const PileupVariable& variable = kPileupVariables[listed[first].variable];
    Table table{fmt::format("Slope of the median response against {}, in percent per {}",
                            variable.name, variable.unit),
                {{"pt_gen [GeV]", ""}, {"region", ""}},
                2,
                {},
                {}};
    for (const CorrectorNumbers& corrector : analysis.correctors)
      table.columns.push_back({corrector.name, ""});
    add_gain_rows(analysis, table, [&](int region, int range, std::vector<std::string>& row) {
      for (const CorrectorNumbers& corrector : analysis.correctors) {
        const Estimate& slope = corrector.regions[region].pileup[first + range].slope;
        row.push_back(with_error(slope, 100, 4, false));
      }
    });
    table.remarks.emplace_back("- fewer than two bins with enough jets");
    tables.push_back(std::move(table));
  }
  return tables;
}

Table bin_table(const Analysis& analysis, int region) {
  Table table{fmt::format("Bins of pt_gen, {}", kRegions[region].name),
              {{"pt_gen [GeV]", ""}, {"jets", ""}},
              1,
              {},
              {}};
  for (const char* group : {"median", "resolution"}) {
    for (const CorrectorNumbers& corrector : analysis.correctors)
      table.columns.push_back({corrector.name, group});
  }
  for (int i = 0; i < kNumPtBins; ++i) {
    const BinNumbers& first = analysis.correctors[0].regions[region].bins[i];
    std::vector<std::string> row{
        fmt::format("{:.1f}-{:.1f}{}", first.low, first.high, first.cut_biased ? " #" : ""),
        std::to_string(first.jets)};
    for (const auto member : {&BinNumbers::median, &BinNumbers::resolution}) {
      for (const CorrectorNumbers& corrector : analysis.correctors) {
        const BinNumbers& bin = corrector.regions[region].bins[i];
        row.push_back(with_error(bin.*member, 1, 4, bin.too_few_jets));
      }
    }
    table.rows.push_back(std::move(row));
  }
  add_remarks(analysis, table);
  return table;
}

}  // namespace jetcal::analysis
