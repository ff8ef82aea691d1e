// SPDX-License-Identifier: Apache-2.0
// What the figures share: titles, notes, and series from the numbers of an analysis.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "jetcal/analysis/figure.h"
#include "jetcal/analysis/response_analysis.h"

namespace jetcal::analysis::detail {

inline constexpr const char* kPtTitle = "#it{p}_{T}^{gen} [GeV]";
inline constexpr const char* kMedianTitle = "Median of #it{p}_{T}^{corr} / #it{p}_{T}^{gen}";
inline constexpr int kWholeRange = 0;  ///< pt_gen > 30 GeV
/// The panel of a grid that has the legend: the upper right one.
inline constexpr std::size_t kLegendPanel = 1;

std::string region_note(int region);
std::string range_note(int range);
/// Returns the range's name, as a category.
std::string range_category(int range);

/// Adds to the notes that the range is biased by the threshold on pt_reco, if it is.
void note_bias(const Analysis& analysis, int range, Panel& panel);

/// Moves markers of different correctors apart, in parts of the distance between two bins.
double shift(int corrector, int num_correctors, double step);

/// Chooses the y axis with room for the notes and the legend of panel `index`.
void fit_panel(Panel& panel, PanelLayout layout, std::size_t index,
               std::initializer_list<double> include);

/// Returns a number to draw, or one with a NaN value to leave a gap.
using BinNumber = std::function<Estimate(const BinNumbers&)>;
/// Makes a panel against pt_gen with a series per corrector.
Panel pt_panel(const Analysis& analysis, int region, const std::string& y_title,
               const BinNumber& number);

/// Returns a number to draw for a category of a corrector, or NaN.
using CategoryNumber = std::function<Estimate(const RegionNumbers&, int category)>;
/// Makes a panel with one place for each category and a series per corrector from `first` on.
Panel category_panel(const Analysis& analysis, int region, const std::string& y_title,
                     const std::vector<std::string>& categories, const CategoryNumber& number,
                     int first = 0);

/// What a number is where there are too few jets to draw it.
Estimate not_drawn() noexcept;

}  // namespace jetcal::analysis::detail
