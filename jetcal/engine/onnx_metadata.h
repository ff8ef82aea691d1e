// SPDX-License-Identifier: Apache-2.0
// Reads what an ONNX file says of itself, without ONNX Runtime and without its weights.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace jetcal::engine {

/// Returns metadata_props of an ONNX model file. Throws NotFound; DataLoss when the file is not a
/// chain of protobuf fields.
std::map<std::string, std::string> read_onnx_metadata(const std::filesystem::path& path);

}  // namespace jetcal::engine
