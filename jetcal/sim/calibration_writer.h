// SPDX-License-Identifier: Apache-2.0
// Writes the trees calibration/jets and calibration/events of a calibration file.
#pragma once

#include <filesystem>
#include <memory>

#include "jetcal/sim/calibration_row.h"

namespace jetcal::sim {

/// Writes one file; it appears under its name at close(), or not at all.
///
/// Files of the same rows are the same bytes. Throws ResourceExhausted on a full disk.
class CalibrationWriter {
 public:
  CalibrationWriter(const std::filesystem::path& path, int compression);
  ~CalibrationWriter();
  CalibrationWriter(const CalibrationWriter&) = delete;
  CalibrationWriter& operator=(const CalibrationWriter&) = delete;

  void write(const CalibrationJet& row);
  void write(const CalibrationEvent& row);
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jetcal::sim
