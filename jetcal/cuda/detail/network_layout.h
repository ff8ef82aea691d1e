// SPDX-License-Identifier: Apache-2.0
// Where each layer of a network finds its numbers on the device.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jetcal/cuda/detail/image.h"
#include "jetcal/models/model.h"

namespace jetcal::cuda::detail {

/// A linear layer: padded widths, its weights [out, in] in the image, its bias in the flat
/// parameters (-1: none).
struct LinearPlace {
  std::int64_t in = 0, out = 0, real_out = 0;
  std::int64_t weight = -1, bias = -1;
};

/// A batch normalisation: padded width; scale and shift in the flat parameters, statistics in the
/// flat buffers; `index` numbers them through.
struct NormPlace {
  std::int64_t channels = 0, real_channels = 0;
  std::int64_t gamma = -1, beta = -1, mean = -1, variance = -1;
  std::int64_t index = -1;
};

struct EdgeLayerPlace {
  LinearPlace linear;
  NormPlace norm;
};

/// An EdgeConv block. The first layer's image is [2 out, in]: W1 - W2 above W2.
struct BlockPlace {
  std::int64_t in = 0, out = 0, real_in = 0;
  std::vector<EdgeLayerPlace> layers;
  std::optional<EdgeLayerPlace> shortcut;
};

struct NetworkLayout {
  models::ModelConfig config;
  models::Layout flat;
  std::vector<LinearPlace> particle_layers;  // PFN
  NormPlace input_norm, feature_norm;        // ParticleNet
  LinearPlace feature;                       // ParticleNet
  std::vector<BlockPlace> blocks;            // ParticleNet
  std::vector<LinearPlace> head;
  std::int64_t particle_width = 0;  ///< Of the placed particle features.
  std::int64_t pooled = 0;          ///< Padded; the jet features follow it in a joined row.
  std::int64_t joined = 0;
  std::vector<ImageCopy> copies;
  std::int64_t image_size = 0;
  std::int64_t num_norms = 0, norm_channels = 0;  ///< Number and sum of the widths.
};

NetworkLayout make_layout(const models::ModelConfig& config);

}  // namespace jetcal::cuda::detail
