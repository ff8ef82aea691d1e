// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/detail/folded_pass.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/cuda/detail/dense.h"
#include "jetcal/cuda/detail/dense_stack.h"
#include "jetcal/cuda/detail/edge.h"
#include "jetcal/cuda/detail/pool.h"
#include "jetcal/cuda/detail/rows.h"
#include "jetcal/cuda/detail/update.h"

namespace jetcal::cuda::detail {
namespace {

using models::Dense;

/// A layer with padded widths; offsets into the array of all weights.
struct FoldedLayer {
  std::int64_t in = 0, out = 0;
  std::int64_t weight = 0, bias = 0;
};

struct FoldedBlock {
  FoldedLayer products;  // center above neighbor: [2 out, in]; the bias is center's
  std::int64_t out = 0, real_out = 0;
  std::vector<FoldedLayer> layers;
  std::optional<FoldedLayer> shortcut;
};

struct FoldedPlan {
  bool pfn = false;
  std::int64_t neighbors = 0;
  std::vector<FoldedLayer> particle_layers, head;
  std::vector<FoldedBlock> blocks;
  std::int64_t particle_width = 0, pooled = 0, joined = 0;
  std::int64_t zeros = 0, ones = 0;  // arrays as long as the widest layer
  std::vector<float> values;
};

// Lays all layers into one array.
class Planner {
 public:
  explicit Planner(FoldedPlan& plan) : values_(plan.values) {}

  std::int64_t fill(std::int64_t size, float value) {
    const auto place = static_cast<std::int64_t>(values_.size());
    values_.resize(values_.size() + static_cast<std::size_t>(size), value);
    return place;
  }
  // `gap_after` inputs are followed by padding up to `gap_end`; the rest comes behind that.
  FoldedLayer layer(const Dense& dense, std::int64_t in, std::int64_t gap_after,
                    std::int64_t gap_end) {
    FoldedLayer layer{in, padded(dense.out), 0, 0};
    layer.weight = fill(layer.in * layer.out, 0);
    layer.bias = fill(layer.out, 0);
    put(dense, layer.weight, in, gap_after, gap_end);
    std::copy(dense.bias.begin(), dense.bias.end(), values_.begin() + layer.bias);
    return layer;
  }
  FoldedLayer layer(const Dense& dense) {
    return layer(dense, padded(dense.in), dense.in, dense.in);
  }
  FoldedLayer factors(const models::FoldedEdgeBlock& block) {
    const std::int64_t in = padded(block.center.in);
    FoldedLayer layer{in, padded(block.center.out), 0, 0};
    layer.weight = fill(2 * layer.in * layer.out, 0);
    layer.bias = fill(layer.out, 0);
    put(block.center, layer.weight, in, in, in);
    put(block.neighbor, layer.weight + layer.in * layer.out, in, in, in);
    std::copy(block.center.bias.begin(), block.center.bias.end(), values_.begin() + layer.bias);
    return layer;
  }

 private:
  void put(const Dense& dense, std::int64_t place, std::int64_t pitch, std::int64_t gap_after,
           std::int64_t gap_end) {
    for (std::int64_t row = 0; row < dense.out; ++row) {
      for (std::int64_t c = 0; c < dense.in; ++c) {
        const std::int64_t column = c < gap_after ? c : c - gap_after + gap_end;
        values_[place + row * pitch + column] = dense.weight[row * dense.in + c];
      }
    }
  }

  std::vector<float>& values_;
};

FoldedPlan make_folded_plan(const models::FoldedModel& model) {
  FoldedPlan plan;
  plan.pfn = model.config.network == models::Network::Pfn;
  plan.neighbors = plan.pfn ? 0 : model.config.neighbors;
  Planner planner(plan);
  std::int64_t widest = 0;
  for (const Dense& dense : model.particle_layers) {
    plan.particle_layers.push_back(planner.layer(dense));
  }
  for (const models::FoldedEdgeBlock& from : model.blocks) {
    FoldedBlock block;
    block.products = planner.factors(from);
    block.real_out = from.center.out;
    block.out = block.products.out;
    for (const Dense& dense : from.layers) block.layers.push_back(planner.layer(dense));
    if (from.shortcut) block.shortcut = planner.layer(*from.shortcut);
    widest = std::max(widest, block.out);
    plan.blocks.push_back(std::move(block));
  }
  const std::int64_t pooled = model.head.front().in - edm::kNumJetFeatures;
  plan.particle_width = plan.particle_layers.front().in;
  plan.pooled = padded(pooled);
  plan.joined = plan.pooled + padded(edm::kNumJetFeatures);
  for (const Dense& dense : model.head) {
    plan.head.push_back(plan.head.empty() ? planner.layer(dense, plan.joined, pooled, plan.pooled)
                                          : planner.layer(dense));
  }
  plan.zeros = planner.fill(widest, 0);
  plan.ones = planner.fill(widest, 1);
  return plan;
}

template <typename T>
class FoldedWeightsOf final : public FoldedWeights {
 public:
  FoldedWeightsOf(Queue& queue, const models::FoldedModel& model, Precision precision)
      : plan(make_folded_plan(model)), precision(precision) {
    upload(queue, std::span<const float>(plan.values), values);
    const auto size = static_cast<std::int64_t>(plan.values.size());
    if constexpr (std::is_same_v<T, Bf16>) convert(queue, values.data(), size, low.reserve(size));
    queue.synchronize();
  }
  template <typename Element>
  const Element* weight(const FoldedLayer& layer) const {
    if constexpr (std::is_same_v<Element, float>) {
      return values.data() + layer.weight;
    } else {
      return low.data() + layer.weight;
    }
  }
  LayerEnd end(const FoldedLayer& layer, bool with_relu) const {
    return {layer.out, layer.out, values.data() + layer.bias, with_relu, 0, 0};
  }
  // (z - 0) 1 + bias, for the kernels that normalise.
  NormArrays bias_norm(std::int64_t channels, std::int64_t bias) const {
    NormArrays norm;
    norm.channels = channels;
    norm.mean = values.data() + plan.zeros;
    norm.scale = values.data() + plan.ones;
    norm.shift = values.data() + bias;
    return norm;
  }

  FoldedPlan plan;
  Precision precision;
  Buffer<float> values;
  Buffer<Bf16> low;
};

template <typename T>
class FoldedPassOf final : public FoldedPass {
 public:
  FoldedPassOf(Queue& queue, const FoldedWeightsOf<T>& weights)
      : queue_(queue), weights_(weights), products_(queue, weights.precision) {}

  const float* forward(const DeviceBatch& batch) override;

 private:
  void run_particles(const DeviceBatch& batch);
  void run_blocks(const DeviceBatch& batch);
  void run_block(const FoldedBlock& block, const JetRows& jets, const float* coordinates,
                 std::int64_t dimensions, std::int64_t stride);
  const float* run_head(std::int64_t num_jets);

  Queue& queue_;
  const FoldedWeightsOf<T>& weights_;
  Products products_;
  Buffer<float> x_, next_x_, products_rows_, shortcut_, joined_, head_, next_head_, y_;
  Buffer<T> rows_, next_rows_;  // of particles (PFN) or edges
  Buffer<std::int32_t> jets_, sources_, targets_, search_;
  Buffer<std::int64_t> edge_offsets_;
};

// PFN: the particle network; its sums go to the joined rows.
template <typename T>
void FoldedPassOf<T>::run_particles(const DeviceBatch& batch) {
  const FoldedPlan& plan = weights_.plan;
  const std::int64_t rows = batch.rows.num_particles;
  for (std::size_t i = 0; i < plan.particle_layers.size(); ++i) {
    const FoldedLayer& layer = plan.particle_layers[i];
    T* const y = next_rows_.reserve(rows * layer.out);
    if (i == 0) {
      float* const z = next_x_.reserve(rows * layer.out);
      products_.forward(x_.data(), weights_.template weight<float>(layer), rows, layer.in,
                        layer.out, z);
      finish_layer(queue_, static_cast<const float*>(z), rows, weights_.end(layer, true), y);
    } else {
      products_.forward(rows_.data(), weights_.template weight<T>(layer), rows, layer.in, layer.out,
                        y);
      finish_layer(queue_, static_cast<const T*>(y), rows, weights_.end(layer, true), y);
    }
    std::swap(rows_, next_rows_);
  }
  pool_jets(queue_, static_cast<const T*>(rows_.data()), batch.rows.offsets, batch.rows.num_jets,
            {plan.pooled, plan.joined}, /*mean=*/false, joined_.data());
}

// Replaces the particles in x_ by the block's output.
template <typename T>
void FoldedPassOf<T>::run_block(const FoldedBlock& block, const JetRows& jets,
                                const float* coordinates, std::int64_t dimensions,
                                std::int64_t stride) {
  const std::int64_t particles = jets.num_particles;
  const std::int64_t edges = jets.num_edges;
  const std::int64_t out = block.out;
  find_neighbors(queue_, jets, coordinates, dimensions, stride, targets_.reserve(edges),
                 search_.reserve(edges));
  float* const products = products_rows_.reserve(particles * 2 * out);
  products_.forward(x_.data(), weights_.template weight<float>(block.products), particles,
                    block.products.in, 2 * out, products);
  const EdgeLists lists{particles, edges,  edge_offsets_.data(), sources_.data(), targets_.data(),
                        nullptr,   nullptr};
  edge_add_relu(queue_, products, lists, out, weights_.values.data() + block.products.bias,
                rows_.reserve(edges * out));
  NormArrays last = weights_.bias_norm(out, weights_.plan.zeros);
  for (std::size_t i = 0; i < block.layers.size(); ++i) {
    const FoldedLayer& layer = block.layers[i];
    T* const z = next_rows_.reserve(edges * out);
    products_.forward(rows_.data(), weights_.template weight<T>(layer), edges, out, out, z);
    if (i + 1 < block.layers.size()) {
      finish_layer(queue_, static_cast<const T*>(z), edges, weights_.end(layer, true), z);
    } else {
      last = weights_.bias_norm(out, layer.bias);  // edge_mean adds it
    }
    std::swap(rows_, next_rows_);
  }
  const float* shortcut = x_.data();
  NormArrays shortcut_norm;
  if (block.shortcut) {
    float* const values = shortcut_.reserve(particles * out);
    products_.forward(x_.data(), weights_.template weight<float>(*block.shortcut), particles,
                      block.shortcut->in, out, values);
    shortcut = values;
    shortcut_norm = weights_.bias_norm(out, block.shortcut->bias);
  }
  edge_mean(queue_, static_cast<const T*>(rows_.data()), lists, last, shortcut, shortcut_norm,
            next_x_.reserve(particles * out));
  std::swap(x_, next_x_);
}

template <typename T>
void FoldedPassOf<T>::run_blocks(const DeviceBatch& batch) {
  const FoldedPlan& plan = weights_.plan;
  const JetRows& jets = batch.rows;
  list_edges(queue_, jets,
             {jets_.reserve(jets.num_particles), edge_offsets_.reserve(jets.num_particles + 1),
              sources_.reserve(jets.num_edges)});
  const FoldedLayer& feature = plan.particle_layers.front();
  float* const values = next_x_.reserve(jets.num_particles * feature.out);
  products_.forward(x_.data(), weights_.template weight<float>(feature), jets.num_particles,
                    feature.in, feature.out, values);
  finish_layer(queue_, static_cast<const float*>(values), jets.num_particles,
               weights_.end(feature, true), values);
  std::swap(x_, next_x_);
  run_block(plan.blocks.front(), jets, batch.points, edm::kNumPointCoordinates,
            edm::kNumPointCoordinates);
  for (std::size_t i = 1; i < plan.blocks.size(); ++i) {
    run_block(plan.blocks[i], jets, x_.data(), plan.blocks[i - 1].real_out, plan.blocks[i - 1].out);
  }
  pool_jets(queue_, static_cast<const float*>(x_.data()), jets.offsets, jets.num_jets,
            {plan.pooled, plan.joined}, /*mean=*/true, joined_.data());
}

template <typename T>
const float* FoldedPassOf<T>::run_head(std::int64_t num_jets) {
  const FoldedPlan& plan = weights_.plan;
  const float* input = joined_.data();
  for (std::size_t i = 0; i < plan.head.size(); ++i) {
    const FoldedLayer& layer = plan.head[i];
    float* const z = next_head_.reserve(num_jets * layer.out);
    products_.forward(input, weights_.template weight<float>(layer), num_jets, layer.in, layer.out,
                      z);
    finish_layer(queue_, static_cast<const float*>(z), num_jets,
                 weights_.end(layer, i + 1 < plan.head.size()), z);
    std::swap(head_, next_head_);
    input = head_.data();
  }
  float* const y = y_.reserve(num_jets);
  take_first_column(queue_, input, num_jets, plan.head.back().out, y);
  return y;
}

template <typename T>
const float* FoldedPassOf<T>::forward(const DeviceBatch& batch) {
  const FoldedPlan& plan = weights_.plan;
  const JetRows& rows = batch.rows;
  place_features(queue_, batch.particles, rows.num_particles, edm::kNumParticleFeatures, nullptr,
                 nullptr, plan.particle_width, plan.particle_width,
                 x_.reserve(rows.num_particles * plan.particle_width));
  float* const joined = joined_.reserve(rows.num_jets * plan.joined);
  place_features(queue_, batch.jets, rows.num_jets, edm::kNumJetFeatures, nullptr, nullptr,
                 plan.joined - plan.pooled, plan.joined, joined + plan.pooled);
  if (plan.pfn) {
    run_particles(batch);
  } else {
    run_blocks(batch);
  }
  return run_head(rows.num_jets);
}

}  // namespace

std::unique_ptr<FoldedWeights> make_folded_weights(Queue& queue, const models::FoldedModel& model,
                                                   Precision precision) {
  if (model.transformer) {
    fail(ErrorCode::Unimplemented, "a particletransformer predicts on CPUs only");
  }
  if (precision == Precision::Bfloat16) {
    return std::make_unique<FoldedWeightsOf<Bf16>>(queue, model, precision);
  }
  return std::make_unique<FoldedWeightsOf<float>>(queue, model, precision);
}

std::unique_ptr<FoldedPass> make_folded_pass(Queue& queue, const FoldedWeights& weights) {
  if (const auto* const low = dynamic_cast<const FoldedWeightsOf<Bf16>*>(&weights)) {
    return std::make_unique<FoldedPassOf<Bf16>>(queue, *low);
  }
  return std::make_unique<FoldedPassOf<float>>(
      queue, dynamic_cast<const FoldedWeightsOf<float>&>(weights));
}

}  // namespace jetcal::cuda::detail
