// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/folded_model.h"

#include <algorithm>
#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/models/detail/fold_transformer.h"
#include "jetcal/models/detail/network_plan.h"
#include "jetcal/models/detail/wide_dense.h"

namespace jetcal::models {
namespace {

using detail::Affine;
using detail::fold_after;
using detail::fold_before;
using detail::narrow;
using detail::WideDense;

class Folder {
 public:
  explicit Folder(const Model& model) : model_(model) {}

  WideDense linear(const detail::LinearSlot& slot) const {
    return detail::wide_linear(model_.parameters, slot);
  }

  Affine norm(const detail::NormSlot& slot) const {
    Affine affine{std::vector<double>(slot.channels), std::vector<double>(slot.channels)};
    for (std::int64_t c = 0; c < slot.channels; ++c) {
      const double variance = model_.buffers[slot.variance + c];
      affine.scale[c] =
          model_.parameters[slot.scale + c] / std::sqrt(variance + detail::kNormEpsilon);
      affine.shift[c] =
          model_.parameters[slot.shift + c] - affine.scale[c] * model_.buffers[slot.mean + c];
    }
    return affine;
  }

 private:
  const Model& model_;
};

Affine standardise(const std::vector<float>& mean, const std::vector<float>& deviation) {
  Affine affine{std::vector<double>(mean.size()), std::vector<double>(mean.size())};
  for (std::size_t c = 0; c < mean.size(); ++c) {
    affine.scale[c] = 1.0 / deviation[c];
    affine.shift[c] = -affine.scale[c] * mean[c];
  }
  return affine;
}

// Leaves out the outputs that only the loss of training looks at.
void keep_first_outputs(std::int64_t count, WideDense& dense) {
  dense.out = count;
  dense.weight.resize(static_cast<std::size_t>(count * dense.in));
  dense.bias.resize(static_cast<std::size_t>(count));
}

Dense fold_layer(const Folder& folder, const detail::EdgeLayerSlot& slot) {
  WideDense dense = folder.linear(slot.linear);
  fold_after(folder.norm(slot.norm), dense);
  return narrow(dense);
}

// W [x_i, x_j - x_i] = (W1 - W2) x_i + W2 x_j: the products are made once a particle instead of
// once an edge.
void factor_first_layer(const Folder& folder, const detail::EdgeLayerSlot& slot,
                        FoldedEdgeBlock& block) {
  WideDense edge = folder.linear(slot.linear);
  fold_after(folder.norm(slot.norm), edge);
  const std::int64_t in = edge.in / 2;
  WideDense center{in, edge.out, std::vector<double>(in * edge.out), edge.bias};
  WideDense neighbor{in, edge.out, std::vector<double>(in * edge.out),
                     std::vector<double>(edge.out, 0.0)};
  for (std::int64_t row = 0; row < edge.out; ++row) {
    for (std::int64_t c = 0; c < in; ++c) {
      const double of_center = edge.weight[row * edge.in + c];
      const double of_difference = edge.weight[row * edge.in + in + c];
      center.weight[row * in + c] = of_center - of_difference;
      neighbor.weight[row * in + c] = of_difference;
    }
  }
  block.center = narrow(center);
  block.neighbor = narrow(neighbor);
}

FoldedEdgeBlock fold_block(const Folder& folder, const detail::EdgeBlockSlot& slot) {
  FoldedEdgeBlock block;
  factor_first_layer(folder, slot.layers.front(), block);
  for (std::size_t layer = 1; layer < slot.layers.size(); ++layer) {
    block.layers.push_back(fold_layer(folder, slot.layers[layer]));
  }
  if (slot.shortcut) block.shortcut = fold_layer(folder, *slot.shortcut);
  return block;
}

}  // namespace

FoldedModel fold(const Model& model) {
  const detail::NetworkPlan plan = detail::make_plan(model.config);
  const Standardisation& shifts = model.standardisation;
  const Folder folder(model);
  FoldedModel folded;
  folded.config = model.config;
  folded.particle_low = shifts.particle_low;
  folded.particle_high = shifts.particle_high;
  folded.jet_low = shifts.jet_low;
  folded.jet_high = shifts.jet_high;
  folded.calibration = model.calibration;
  folded.num_particle_features = plan.particle_features;
  folded.num_jet_features = plan.jet_features;
  if (model.config.target == edm::Reference::Raw && model.config.skip)
    folded.skip_feature = plan.jet_features - 1;
  std::vector<WideDense> particle_layers;
  if (model.config.network == Network::ParticleNet) {
    WideDense feature = folder.linear(plan.feature);
    fold_before(folder.norm(plan.input_norm), 0, feature);
    fold_after(folder.norm(plan.feature_norm), feature);
    particle_layers.push_back(feature);
  }
  for (const detail::LinearSlot& slot : plan.particle_layers) {
    particle_layers.push_back(folder.linear(slot));
  }
  if (plan.transformer) {
    const Affine input =
        shifts.empty() ? Affine{} : standardise(shifts.particle_mean, shifts.particle_deviation);
    folded.transformer = detail::fold_transformer(*plan.transformer, model.parameters, input);
  }
  std::vector<WideDense> head;
  for (const detail::LinearSlot& slot : plan.head) head.push_back(folder.linear(slot));
  keep_first_outputs(num_head_outputs(model.config.head), head.back());
  if (plan.head_norm.channels > 0) fold_before(folder.norm(plan.head_norm), 0, head.front());
  if (model.config.network == Network::Pfn && plan.input_norm.channels > 0)
    fold_before(folder.norm(plan.input_norm), 0, particle_layers.front());
  if (!shifts.empty()) {
    if (!particle_layers.empty()) {
      fold_before(standardise(shifts.particle_mean, shifts.particle_deviation), 0,
                  particle_layers.front());
    }
    fold_before(standardise(shifts.jet_mean, shifts.jet_deviation), plan.pooled, head.front());
  }
  for (const WideDense& dense : particle_layers) folded.particle_layers.push_back(narrow(dense));
  for (const detail::EdgeBlockSlot& slot : plan.blocks) {
    folded.blocks.push_back(fold_block(folder, slot));
  }
  for (const WideDense& dense : head) folded.head.push_back(narrow(dense));
  return folded;
}

}  // namespace jetcal::models
