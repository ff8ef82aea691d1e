// SPDX-License-Identifier: Apache-2.0
// Writes a network as an ONNX model that takes padded jets and gives the numbers of the native
// forward pass.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "jetcal/models/folded_model.h"

namespace jetcal::onnx {

/// Operator set of exported models.
inline constexpr int kOpset = 17;

/// Serialises the network as an ONNX model with `metadata` in its metadata_props.
///
/// Inputs FP32: pf_points [N, 2, P] (ParticleNet only), pf_features [N, 6, P], pf_mask [N, 1, P]
/// (0 is padding, wherever it stands), jet_features [N, 8]; output `output` [N, 1]. N and P are
/// free. The values under padding never matter, not even NaN. A particle has the k nearest others
/// as neighbors, or as many as there are; a jet without particles is pooled to zeros.
std::string export_graph(const models::FoldedModel& network,
                         const std::map<std::string, std::string>& metadata = {});

/// Returns what an exported model says of itself: fingerprint, config (JSON), input_mode, commit,
/// and provenance.KEY for every entry of the model's provenance.
std::map<std::string, std::string> export_metadata(const models::Model& model);

/// Writes model.onnx; atomic.
void export_model(const models::Model& model, const std::filesystem::path& path);

}  // namespace jetcal::onnx
