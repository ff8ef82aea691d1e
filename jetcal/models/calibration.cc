// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/calibration.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "jetcal/base/error.h"

namespace jetcal::models {

float PtEtaTable::at(float eta, float log_pt) const noexcept {
  const auto bin =
      std::upper_bound(eta_edges.begin(), eta_edges.end(), std::abs(eta)) - eta_edges.begin();
  const float* const row = values.data() + bin * num_knots();
  float sum = row[0];
  // The form of the exported graph: every interval adds its slope times the part of it below.
  for (std::int64_t k = 0; k + 1 < num_knots(); ++k) {
    const float length = knots[k + 1] - knots[k];
    const float below = std::min(std::max(log_pt - knots[k], 0.0F), length);
    sum += below * ((row[k + 1] - row[k]) / length);
  }
  return sum;
}

CalibrationShape shape_of(const Calibration& calibration) noexcept {
  const auto shape = [](const PtEtaTable& table) {
    return table.empty() ? TableShape{} : TableShape{table.num_eta(), table.num_knots()};
  };
  return {shape(calibration.closure), shape(calibration.resolution)};
}

std::vector<CalibrationTensor> calibration_tensors(const CalibrationShape& shape) {
  std::vector<CalibrationTensor> tensors;
  const auto add = [&tensors](const std::string& name, const TableShape& table) {
    if (table.num_knots == 0) return;
    tensors.push_back({name + ".eta_edges", {table.num_eta - 1}, table.num_eta - 1});
    tensors.push_back({name + ".knots", {table.num_knots}, table.num_knots});
    tensors.push_back(
        {name + ".values", {table.num_eta, table.num_knots}, table.num_eta * table.num_knots});
  };
  add("closure", shape.closure);
  add("resolution", shape.resolution);
  return tensors;
}

std::vector<float> calibration_values(const Calibration& calibration) {
  std::vector<float> all;
  for (const PtEtaTable* const table : {&calibration.closure, &calibration.resolution}) {
    for (const std::vector<float>* const part :
         {&table->eta_edges, &table->knots, &table->values}) {
      all.insert(all.end(), part->begin(), part->end());
    }
  }
  return all;
}

Calibration make_calibration(const CalibrationShape& shape, std::span<const float> values) {
  const auto take = [&values](std::int64_t count) {
    const std::span<const float> first = values.first(static_cast<std::size_t>(count));
    values = values.subspan(static_cast<std::size_t>(count));
    return std::vector<float>(first.begin(), first.end());
  };
  const auto table = [&take](const TableShape& extents) {
    PtEtaTable made;
    if (extents.num_knots == 0) return made;
    made.eta_edges = take(extents.num_eta - 1);
    made.knots = take(extents.num_knots);
    made.values = take(extents.num_eta * extents.num_knots);
    return made;
  };
  Calibration calibration;
  calibration.closure = table(shape.closure);
  calibration.resolution = table(shape.resolution);
  return calibration;
}

void require_usable(const Calibration& calibration, const std::string& where) {
  for (const PtEtaTable* const table : {&calibration.closure, &calibration.resolution}) {
    for (const std::vector<float>* const ascending : {&table->eta_edges, &table->knots}) {
      if (!std::is_sorted(ascending->begin(), ascending->end(), std::less_equal<>())) {
        fail(ErrorCode::DataLoss, where, ": the edges of a calibration do not ascend");
      }
    }
  }
  for (const float scale : calibration.resolution.values) {
    if (!(scale > 0)) {
      fail(ErrorCode::DataLoss, where,
           ": a calibration of the resolution is not positive: ", scale);
    }
  }
}

}  // namespace jetcal::models
