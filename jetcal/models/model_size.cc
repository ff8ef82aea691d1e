// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "jetcal/models/detail/network_plan.h"
#include "jetcal/models/model_config.h"

namespace jetcal::models {
namespace {

std::int64_t macs(const detail::LinearSlot& layer) { return layer.in * layer.out; }

std::int64_t macs(const std::vector<detail::LinearSlot>& layers) {
  std::int64_t sum = 0;
  for (const detail::LinearSlot& layer : layers) sum += macs(layer);
  return sum;
}

// Counts one EdgeConv block; `first_layer_rows` is what the first layer's weights work on: the
// edges, or, factored into centre and neighbor, the particles.
std::int64_t macs(const detail::EdgeBlockSlot& block, std::int64_t num_particles,
                  std::int64_t num_edges, std::int64_t first_layer_rows) {
  std::int64_t sum = first_layer_rows * macs(block.layers.front().linear);
  for (std::size_t layer = 1; layer < block.layers.size(); ++layer) {
    sum += num_edges * macs(block.layers[layer].linear);
  }
  if (block.shortcut) sum += num_particles * macs(block.shortcut->linear);
  return sum;
}

// Counts embedding and blocks, attention over all pairs included.
std::int64_t macs(const detail::TransformerSlots& slots, std::int64_t num_particles) {
  std::int64_t of_particle = macs(slots.embedding);
  std::int64_t of_pair = 0;
  for (const detail::AttentionBlockSlot& block : slots.blocks) {
    of_particle += macs(block.qkv) + macs(block.out) + macs(block.expand) + macs(block.contract);
    of_pair += 2 * slots.heads * slots.units + macs(block.pair);
  }
  return num_particles * (of_particle + num_particles * of_pair);
}

std::int64_t macs_outside_blocks(const detail::NetworkPlan& plan, std::int64_t num_particles) {
  if (plan.transformer) return macs(*plan.transformer, num_particles) + macs(plan.head);
  return num_particles * (macs(plan.particle_layers) + macs(plan.feature)) + macs(plan.head);
}

}  // namespace

std::int64_t num_parameters(const ModelConfig& config) {
  return detail::make_plan(config).layout.num_parameters;
}

std::int64_t macs_padded(const ModelConfig& config, std::int64_t num_particles) {
  const detail::NetworkPlan plan = detail::make_plan(config);
  const std::int64_t num_edges = num_particles * config.neighbors;
  std::int64_t sum = macs_outside_blocks(plan, num_particles);
  for (const detail::EdgeBlockSlot& block : plan.blocks) {
    sum += macs(block, num_particles, num_edges, num_edges);
  }
  return sum;
}

std::int64_t macs_ragged(const ModelConfig& config, std::int64_t num_particles) {
  const detail::NetworkPlan plan = detail::make_plan(config);
  const std::int64_t neighbors = std::clamp<std::int64_t>(num_particles - 1, 0, config.neighbors);
  std::int64_t sum = macs_outside_blocks(plan, num_particles);
  for (const detail::EdgeBlockSlot& block : plan.blocks) {
    sum += macs(block, num_particles, num_particles * neighbors, num_particles);
  }
  return sum;
}

}  // namespace jetcal::models
