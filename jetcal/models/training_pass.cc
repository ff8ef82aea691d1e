// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/training_pass.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/kernels/elementwise.h"
#include "jetcal/kernels/linear.h"
#include "jetcal/kernels/segment.h"
#include "jetcal/models/detail/dense_stack_pass.h"
#include "jetcal/models/detail/edge_block_pass.h"
#include "jetcal/models/detail/norm_pass.h"
#include "jetcal/models/detail/slot_spans.h"
#include "jetcal/models/detail/transformer_pass.h"
#include "jetcal/models/feature_bounds.h"

namespace jetcal::models {
namespace {

using detail::rows_in;
using detail::weight_of;
using kernels::Activation;

void require_size(std::size_t got, std::int64_t want, const char* what) {
  if (static_cast<std::int64_t>(got) != want) {
    fail(ErrorCode::InvalidArgument, "training pass: ", what, " has ", got, " values, expected ",
         want);
  }
}

// Keeps a standardised copy, since backward runs when the caller's features may be gone.
void keep(std::span<const float> x, std::int64_t channels, const std::vector<float>& low,
          const std::vector<float>& high, const std::vector<float>& mean,
          const std::vector<float>& deviation, std::span<float> y) {
  bound_features(x, low, high, y.data());
  if (!mean.empty()) kernels::standardise(y, channels, mean, deviation, y);
}

// The plan lays parameters out in the order of forward, so the gradients of what backward has
// behind it start here.
std::int64_t first_parameter(const std::vector<detail::LinearSlot>& layers) {
  return layers.front().weight;
}
std::int64_t first_parameter(const detail::EdgeBlockSlot& block) {
  return block.layers.front().linear.weight;
}

}  // namespace

struct TrainingPass::Impl {
  Impl(const ModelConfig& config, Standardisation shifts);

  void forward(std::span<const float> parameters, std::span<float> buffers,
               const edm::FeatureView& features, std::uint64_t dropout_seed, std::span<float> y,
               const BatchShare& share);
  void backward(std::span<const float> parameters, std::span<const float> grad_y,
                std::span<float> grad_parameters, const GradientsFinished& finished);
  void forward_particlenet(std::span<const float> parameters, std::span<float> buffers,
                           const edm::FeatureView& features, kernels::SharedSums* shared);
  void backward_particlenet(std::span<const float> parameters, std::span<float> grad_parameters,
                            const GradientsFinished& finished);
  void join_jet_features(const edm::FeatureView& features);
  std::span<const float> particle_rows(std::span<const float> parameters, std::span<float> buffers,
                                       kernels::SharedSums* shared);
  void scale_pooled(std::span<float> rows) const;

  ModelConfig config;
  Standardisation standardisation;
  detail::NetworkPlan plan;
  detail::DenseStackPass head;
  std::optional<detail::DenseStackPass> particle_stack;      // PFN
  std::optional<detail::NormPass> input_norm, feature_norm;  // ParticleNet, input_norm also PFN
  std::optional<detail::NormPass> head_norm;
  std::vector<detail::EdgeBlockPass> blocks;  // ParticleNet
  kernels::EdgeConvWorkspace edge_workspace;
  std::optional<detail::TransformerPass> transformer;  // ParticleTransformer

  // Of the last forward.
  bool has_forward = false;
  std::vector<std::int64_t> offsets;
  std::vector<float> particles;  // [P, features], standardised
  std::vector<float> normed, feature_values,
      feature;                                  // ParticleNet: around the feature convolution
  std::span<const float> particle_output;       // [P, pooled]
  std::vector<float> pooled, jets, head_input;  // [J, pooled], [J, features], both beside
  std::vector<float> normed_head_input;
  std::vector<float> grad_head, grad_pooled, grad_particles, grad_next;

  std::int64_t num_jets() const { return std::ssize(offsets) - 1; }
  std::int64_t num_particles() const { return offsets.back(); }
};

TrainingPass::Impl::Impl(const ModelConfig& model_config, Standardisation shifts)
    : config(model_config),
      standardisation(std::move(shifts)),
      plan(detail::make_plan(model_config)),
      head(plan.head, {.dropout = model_config.dropout, .linear_last = true}) {
  if (plan.head_norm.channels > 0) head_norm.emplace(plan.head_norm, Activation::None);
  if (plan.input_norm.channels > 0) input_norm.emplace(plan.input_norm, Activation::None);
  if (config.network == Network::Pfn) {
    particle_stack.emplace(plan.particle_layers, detail::DenseStackOptions{});
    return;
  }
  if (plan.transformer) {
    transformer.emplace(*plan.transformer);
    return;
  }
  feature_norm.emplace(plan.feature_norm, Activation::Relu);
  for (const detail::EdgeBlockSlot& block : plan.blocks) {
    blocks.emplace_back(block, config.neighbors);
  }
}

void TrainingPass::Impl::forward_particlenet(std::span<const float> parameters,
                                             std::span<float> buffers,
                                             const edm::FeatureView& features,
                                             kernels::SharedSums* shared) {
  const std::int64_t rows = num_particles();
  const std::span<float> x = rows_in(particles, rows, plan.particle_features);
  const std::span<float> input = rows_in(normed, rows, plan.feature.in);
  const std::span<float> values = rows_in(feature_values, rows, plan.feature.out);
  const std::span<float> output = rows_in(feature, rows, plan.feature.out);
  input_norm->forward(parameters, buffers, x, input, shared);
  kernels::linear_forward(input, weight_of(parameters, plan.feature), {}, plan.feature.in,
                          plan.feature.out, values);
  feature_norm->forward(parameters, buffers, values, output, shared);
  particle_output = output;
  std::span<const float> coordinates = features.points;
  std::int64_t dimensions = edm::kNumPointCoordinates;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    particle_output = blocks[i].forward(parameters, buffers, particle_output, coordinates,
                                        dimensions, offsets, edge_workspace, shared);
    coordinates = particle_output;
    dimensions = plan.blocks[i].layers.back().linear.out;
  }
}

void TrainingPass::Impl::join_jet_features(const edm::FeatureView& features) {
  const std::int64_t rows = num_jets();
  const std::span<float> own = rows_in(jets, rows, plan.jet_features);
  keep(features.jets, plan.jet_features, standardisation.jet_low, standardisation.jet_high,
       standardisation.jet_mean, standardisation.jet_deviation, own);
  const std::int64_t width = plan.pooled + plan.jet_features;
  const std::span<float> joined = rows_in(head_input, rows, width);
  for (std::int64_t jet = 0; jet < rows; ++jet) {
    std::copy_n(pooled.data() + jet * plan.pooled, plan.pooled, joined.data() + jet * width);
    std::copy_n(own.data() + jet * plan.jet_features, plan.jet_features,
                joined.data() + jet * width + plan.pooled);
  }
}

void TrainingPass::Impl::forward(std::span<const float> parameters, std::span<float> buffers,
                                 const edm::FeatureView& features, std::uint64_t dropout_seed,
                                 std::span<float> y, const BatchShare& share) {
  require_size(parameters.size(), plan.layout.num_parameters, "parameters");
  require_size(buffers.size(), plan.layout.num_buffers, "buffers");
  require_size(y.size(), features.num_jets() * plan.outputs, "y");
  require_size(features.particles.size(), features.num_particles() * plan.particle_features,
               "particles");
  require_size(features.jets.size(), features.num_jets() * plan.jet_features, "jets");
  has_forward = true;
  offsets.assign(features.offsets.begin(), features.offsets.end());
  keep(features.particles, plan.particle_features, standardisation.particle_low,
       standardisation.particle_high, standardisation.particle_mean,
       standardisation.particle_deviation,
       rows_in(particles, num_particles(), plan.particle_features));
  const std::span<float> sums = rows_in(pooled, num_jets(), plan.pooled);
  if (config.network == Network::Pfn) {
    particle_stack->forward_sums(parameters, particle_rows(parameters, buffers, share.sums),
                                 offsets, sums);
  } else {
    if (transformer) {
      particle_output = transformer->forward(
          parameters, rows_in(particles, num_particles(), plan.particle_features),
          features.particles, offsets);
    } else {
      forward_particlenet(parameters, buffers, features, share.sums);
    }
    kernels::segment_mean(particle_output, offsets, plan.pooled, sums);
  }
  scale_pooled(sums);
  join_jet_features(features);
  const std::int64_t width = plan.pooled + plan.jet_features;
  std::span<const float> input = rows_in(head_input, num_jets(), width);
  if (head_norm) {
    const std::span<float> normed_input = rows_in(normed_head_input, num_jets(), width);
    head_norm->forward(parameters, buffers, input, normed_input, share.sums);
    input = normed_input;
  }
  std::ranges::copy(head.forward(parameters, input, dropout_seed, share.first_jet), y.begin());
}

// The PFN's input: features, normalised where the configuration asks for it.
std::span<const float> TrainingPass::Impl::particle_rows(std::span<const float> parameters,
                                                         std::span<float> buffers,
                                                         kernels::SharedSums* shared) {
  const std::span<float> x = rows_in(particles, num_particles(), plan.particle_features);
  if (!input_norm) return x;
  const std::span<float> input = rows_in(normed, num_particles(), plan.particle_features);
  input_norm->forward(parameters, buffers, x, input, shared);
  return input;
}

// Turns the network's own pooling into the configuration's, and the gradient of this into that.
void TrainingPass::Impl::scale_pooled(std::span<float> rows) const {
  if (config.pooling == Pooling::Standard) return;
  for (std::int64_t jet = 0; jet < num_jets(); ++jet) {
    const float factor = pooling_factor(config, offsets[jet + 1] - offsets[jet]);
    for (float& value : rows.subspan(jet * plan.pooled, plan.pooled)) value *= factor;
  }
}

void TrainingPass::Impl::backward_particlenet(std::span<const float> parameters,
                                              std::span<float> grad_parameters,
                                              const GradientsFinished& finished) {
  const std::int64_t rows = num_particles();
  std::int64_t block_end = first_parameter(plan.head);
  for (std::size_t i = blocks.size(); i-- > 0;) {
    const std::int64_t out = plan.blocks[i].layers.back().linear.out;
    blocks[i].backward(parameters, rows_in(grad_particles, rows, out),
                       rows_in(grad_next, rows, plan.blocks[i].in), grad_parameters,
                       edge_workspace);
    std::swap(grad_particles, grad_next);
    if (finished) finished(first_parameter(plan.blocks[i]), block_end);
    block_end = first_parameter(plan.blocks[i]);
  }
  const std::span<float> grad = rows_in(grad_particles, rows, plan.feature.out);
  feature_norm->backward(parameters, rows_in(feature_values, rows, plan.feature.out), grad,
                         grad_parameters);
  kernels::linear_backward_weights(rows_in(normed, rows, plan.feature.in), grad, plan.feature.in,
                                   plan.feature.out, weight_of(grad_parameters, plan.feature), {});
  const std::span<float> grad_input = rows_in(grad_next, rows, plan.feature.in);
  kernels::linear_backward_input(grad, weight_of(parameters, plan.feature), plan.feature.in,
                                 plan.feature.out, grad_input);
  input_norm->backward(parameters, rows_in(particles, rows, plan.particle_features), grad_input,
                       grad_parameters);
  if (finished) finished(0, block_end);
}

void TrainingPass::Impl::backward(std::span<const float> parameters, std::span<const float> grad_y,
                                  std::span<float> grad_parameters,
                                  const GradientsFinished& finished) {
  if (!has_forward) {
    fail(ErrorCode::FailedPrecondition, "training pass: backward needs a forward before it");
  }
  require_size(parameters.size(), plan.layout.num_parameters, "parameters");
  require_size(grad_y.size(), num_jets() * plan.outputs, "grad_y");
  require_size(grad_parameters.size(), plan.layout.num_parameters, "grad_parameters");
  has_forward = false;  // its values give way to gradients
  const std::int64_t width = plan.pooled + plan.jet_features;
  const std::span<float> grad_joined = rows_in(grad_head, num_jets(), width);
  head.backward(parameters, grad_y, grad_joined, grad_parameters);
  if (finished) finished(first_parameter(plan.head), plan.layout.num_parameters);
  if (head_norm) {
    head_norm->backward(parameters, rows_in(head_input, num_jets(), width), grad_joined,
                        grad_parameters);
  }
  const std::span<float> grad_sums = rows_in(grad_pooled, num_jets(), plan.pooled);
  for (std::int64_t jet = 0; jet < num_jets(); ++jet) {
    std::copy_n(grad_joined.data() + jet * width, plan.pooled,
                grad_sums.data() + jet * plan.pooled);
  }
  scale_pooled(grad_sums);
  if (config.network == Network::Pfn) {
    if (input_norm) {
      const std::span<float> grad_input =
          rows_in(grad_particles, num_particles(), plan.particle_features);
      particle_stack->backward(parameters, grad_sums, grad_input, grad_parameters);
      input_norm->backward(parameters, rows_in(particles, num_particles(), plan.particle_features),
                           grad_input, grad_parameters);
    } else {
      particle_stack->backward(parameters, grad_sums, {}, grad_parameters);
    }
    if (finished) finished(0, first_parameter(plan.head));
    return;
  }
  const std::span<float> grad = rows_in(grad_particles, num_particles(), plan.pooled);
  kernels::segment_mean_backward(grad_sums, offsets, plan.pooled, grad);
  if (transformer) {
    transformer->backward(parameters, grad, grad_parameters, first_parameter(plan.head), finished);
    return;
  }
  backward_particlenet(parameters, grad_parameters, finished);
}

TrainingPass::TrainingPass(const ModelConfig& config, const Standardisation& standardisation) {
  validate(config);
  impl_ = std::make_unique<Impl>(config, standardisation);
}
TrainingPass::~TrainingPass() = default;

void TrainingPass::forward(std::span<const float> parameters, std::span<float> buffers,
                           const edm::FeatureView& features, std::uint64_t dropout_seed,
                           std::span<float> y, const BatchShare& share) {
  impl_->forward(parameters, buffers, features, dropout_seed, y, share);
}

void TrainingPass::backward(std::span<const float> parameters, std::span<const float> grad_y,
                            std::span<float> grad_parameters, const GradientsFinished& finished) {
  impl_->backward(parameters, grad_y, grad_parameters, finished);
}

}  // namespace jetcal::models
