// SPDX-License-Identifier: Apache-2.0
// What is measured of a trained network on jets that it has not seen, and put right afterwards.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace jetcal::models {

/// A function of |eta|, in bins, and of log(pt), linear between knots and constant beyond them.
struct PtEtaTable {
  std::vector<float> eta_edges;  ///< Between the E bins of |eta|, ascending [E - 1].
  std::vector<float> knots;      ///< log(pt / GeV), ascending [K].
  std::vector<float> values;     ///< [E, K]

  bool empty() const noexcept { return values.empty(); }
  std::int64_t num_eta() const noexcept { return empty() ? 0 : std::ssize(eta_edges) + 1; }
  std::int64_t num_knots() const noexcept { return std::ssize(knots); }
  /// Requires: not empty.
  float at(float eta, float log_pt) const noexcept;
  bool operator==(const PtEtaTable&) const = default;
};

/// Both tables take the pT that the network itself gives. Empty ones change nothing.
struct Calibration {
  PtEtaTable closure;     ///< Added to y: minus the logarithm of the response.
  PtEtaTable resolution;  ///< Multiplies the resolution; positive.

  bool empty() const noexcept { return closure.empty() && resolution.empty(); }
  bool operator==(const Calibration&) const = default;
};

inline constexpr std::int64_t kMaxTableExtent = 4096;

/// Numbers of bins and knots; zeros stand for an empty table.
struct TableShape {
  std::int64_t num_eta = 0, num_knots = 0;
};
struct CalibrationShape {
  TableShape closure, resolution;
};
CalibrationShape shape_of(const Calibration& calibration) noexcept;

/// Names the arrays of a calibration in the order of calibration_values().
struct CalibrationTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t size = 0;
};
std::vector<CalibrationTensor> calibration_tensors(const CalibrationShape& shape);
std::vector<float> calibration_values(const Calibration& calibration);
/// Requires: as many values as the shape says.
Calibration make_calibration(const CalibrationShape& shape, std::span<const float> values);

/// Throws DataLoss, naming `where`, when knots or edges do not ascend or a resolution is not
/// positive.
void require_usable(const Calibration& calibration, const std::string& where);

}  // namespace jetcal::models
