// SPDX-License-Identifier: Apache-2.0
// Weights that give the training jets another spectrum: flat, or one that is given, in bins of one
// or two variables, of all jets or of each class of jets.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "jetcal/base/config.h"
#include "jetcal/data/data_rules.h"

namespace jetcal::data {

/// A variable with its bins; a bin holds edges[i] <= x < edges[i + 1].
struct ReweightAxis {
  std::string variable;  ///< An expression, e.g. abs(eta_gen).
  std::vector<double> edges;
  bool operator==(const ReweightAxis&) const = default;
};

/// A class of jets whose spectrum is brought to the target on its own.
struct ReweightClass {
  std::string name, condition;
  double weight = 1;  ///< Sum of its weights, relative to those of the others.
  bool operator==(const ReweightClass&) const = default;
};

/// Configures the reweighting; without axes there is none.
struct ReweightRules {
  std::vector<ReweightAxis> axes;      ///< One or two.
  std::vector<double> target;          ///< One a bin, the last axis fastest; empty: flat.
  std::vector<ReweightClass> classes;  ///< Empty: one class of all jets.
  double max_factor = std::numeric_limits<double>::infinity();  ///< Of a mean of 1.
  std::int64_t min_jets = 1;  ///< A bin with fewer is taken to hold so many.
  bool keep_outside =
      false;  ///< Jets outside of bins or classes keep the factor 1, or are dropped.
  std::array<bool, 3> splits{true, true, false};  ///< That get the factors, as kSplits.

  bool operator==(const ReweightRules&) const = default;
  bool empty() const noexcept { return axes.empty(); }
  std::int64_t num_bins() const noexcept;
};

/// Reads `prefix`reweighting. Throws InvalidArgument naming the field that is wrong.
ReweightRules read_reweighting(const Config& config, const std::string& prefix);
nlohmann::ordered_json to_json(const ReweightRules& rules);

/// Collects the training spectrum and makes factors of it.
class Reweighter {
 public:
  explicit Reweighter(const ReweightRules& rules);

  /// Returns the place of a jet, of its values of the axes and of the conditions of the classes, or
  /// -1 outside of the bins and classes. Throws InvalidArgument for a jet of two classes.
  std::int64_t cell(std::span<const double> values, std::span<const double> conditions) const;

  /// Counts a training jet in a cell; -1 is left alone.
  void add(std::int64_t cell, double weight);

  /// Ends the counting and makes the factors, of mean 1 over the jets counted before any is cut.
  /// Throws InvalidArgument when no jet has been counted in a cell that has a target.
  void finish();

  /// Returns the factor of a cell; for -1, that of the jets outside.
  double factor(std::int64_t cell) const;

  /// Counts the training jets whose factor was cut to max_factor.
  std::int64_t num_capped() const noexcept { return capped_; }
  /// Returns the training jets of each cell: classes, axes in order, the last fastest.
  const std::vector<std::int64_t>& counts() const noexcept { return counts_; }

 private:
  ReweightRules rules_;
  std::vector<std::int64_t> counts_;
  std::vector<double> sums_, factors_;
  std::int64_t capped_ = 0;
};

}  // namespace jetcal::data
