// SPDX-License-Identifier: Apache-2.0
// The forward pass of inference for some jets on one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "jetcal/kernels/edge_infer.h"
#include "jetcal/kernels/quantised_layer.h"
#include "jetcal/kernels/row_layer.h"
#include "jetcal/models/detail/transformer_inference.h"
#include "jetcal/models/folded_model.h"

namespace jetcal::models::detail {

/// Buffers of one thread, kept between calls: fresh pages cost more than the arithmetic.
struct InferenceWorkspace {
  kernels::AlignedRows<float> features, x, y, pooled, head, next_head;
  kernels::QuantisedRows quantised;
  std::vector<std::int64_t> offsets, jets;
  std::vector<std::int32_t> segments, neighbors;
  kernels::EdgeInferWorkspace edges;
  TransformerWorkspace transformer;
  std::int64_t num_pooled = 0;
};

/// Holds a network's layers as the kernels of inference want them. Every row is computed on its
/// own: a jet's result has the same bits in any batch.
class InferenceNetwork {
 public:
  InferenceNetwork(const FoldedModel& model, kernels::Precision precision);

  /// Runs everything up to the head for the jets [begin, end) and keeps their rows in `work`.
  void pool_jets(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
                 InferenceWorkspace& work) const;
  /// Runs the head on the rows kept, writes the outputs [J, num_outputs()] of their jets and
  /// forgets them.
  void run_head(InferenceWorkspace& work, std::span<float> outputs) const;
  std::int64_t num_outputs() const noexcept { return num_outputs_; }

 private:
  void sum_particles(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
                     InferenceWorkspace& work, float* pooled) const;
  void convolve_particles(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
                          InferenceWorkspace& work, float* pooled) const;
  void attend_particles(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
                        InferenceWorkspace& work, float* pooled) const;
  void start_tile(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
                  InferenceWorkspace& work) const;
  void average_tile(const InferenceWorkspace& work, const float* rows, std::int64_t stride,
                    float* pooled) const;
  const float* feature_rows(std::span<const float> particles, std::int64_t rows,
                            std::int64_t layers, std::int64_t& stride,
                            InferenceWorkspace& work) const;
  void sum_quantised(std::int64_t rows, const float* x, std::int64_t stride,
                     const std::int32_t* segments, InferenceWorkspace& work, float* pooled) const;
  void run_block(const kernels::PackedEdgeConv& block, std::span<const float> coordinates,
                 std::int64_t dimensions, std::int64_t coordinate_stride,
                 InferenceWorkspace& work) const;

  void scale_pooled(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
                    float* pooled) const;

  ModelConfig config_;
  Network network_;
  std::int64_t neighbors_;
  std::int64_t particle_features_, jet_features_, num_outputs_;
  std::int64_t pooled_;       // channels
  std::int64_t head_stride_;  // of pooled rows, which are the head's input
  kernels::Precision precision_;
  std::vector<float> particle_low_, particle_high_, jet_low_, jet_high_;  // empty: no bounds
  std::vector<kernels::RowLayer> particle_layers_;
  std::vector<kernels::QuantisedLayer> quantised_layers_;  // follow particle_layers_
  std::vector<kernels::PackedEdgeConv> blocks_;
  std::optional<TransformerInference> transformer_;
  std::vector<kernels::RowLayer> head_;
  std::vector<kernels::QuantisedLayer> quantised_head_;  // follow head_
  kernels::RowLayer output_;                             // the last one
};

}  // namespace jetcal::models::detail
