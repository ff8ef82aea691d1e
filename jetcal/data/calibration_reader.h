// SPDX-License-Identifier: Apache-2.0
// Reads the gen jets of a calibration file and the reconstructed jets that belong to them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "jetcal/edm/calibration_jets.h"

namespace jetcal::data {

/// Names the tree that jetcal simulate --calibration writes.
inline constexpr const char* kCalibrationTree = "calibration/jets";

/// Appends all jets of a file; `on_progress` is called now and then with the entries read and all.
///
/// Throws NotFound (no such file), DataLoss (truncated or corrupt), InvalidArgument (no such tree;
/// a branch is missing, of a wrong type, or has a value that is not finite), naming file, branch
/// and entry; `jets` may then hold part of the file.
void read_calibration_jets(
    const std::filesystem::path& path, edm::CalibrationJets& jets,
    const std::function<void(std::int64_t done, std::int64_t total)>& on_progress = {});

}  // namespace jetcal::data
