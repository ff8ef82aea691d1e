// SPDX-License-Identifier: Apache-2.0
// Which step of a pipeline a model says it comes from.
#pragma once

#include <filesystem>
#include <string>

namespace jetcal::cli {

/// Returns the key of the step that trained the network of a model.jetcal, a model.onnx, or of the
/// first of these in a folder such as a model repository; "" for other files and for models that no
/// pipeline made. Throws DataLoss for a damaged model.
std::string step_key_of_model(const std::filesystem::path& path);

}  // namespace jetcal::cli
