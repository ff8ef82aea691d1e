// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/detail/edge_block_pass.h"

#include "jetcal/base/error.h"
#include "jetcal/kernels/elementwise.h"
#include "jetcal/kernels/knn.h"
#include "jetcal/kernels/linear.h"

namespace jetcal::models::detail {

using kernels::Activation;

EdgeBlockPass::EdgeBlockPass(const EdgeBlockSlot& slot, std::int64_t neighbors)
    : slot_(slot),
      neighbors_(neighbors),
      out_(slot.layers.front().linear.out),
      edge_conv_(out_, std::ssize(slot.layers)),
      stride_(edge_conv_.stride()),
      node_weight_(static_cast<std::size_t>(2 * stride_ * slot.in)) {
  if (slot_.shortcut) shortcut_norm_.emplace(slot_.shortcut->norm, Activation::None);
}

std::vector<kernels::EdgeConvLayer> EdgeBlockPass::layers_of(std::span<const float> parameters,
                                                             std::span<float> buffers) const {
  std::vector<kernels::EdgeConvLayer> layers;
  for (const EdgeLayerSlot& slot : slot_.layers) {
    kernels::EdgeConvLayer layer;
    if (!layers.empty()) layer.weight = weight_of(parameters, slot.linear);
    layer.scale = channels_of(parameters, slot.norm.scale, out_);
    layer.shift = channels_of(parameters, slot.norm.shift, out_);
    if (!buffers.empty()) {
      layer.running_mean = channels_of(buffers, slot.norm.mean, out_);
      layer.running_variance = channels_of(buffers, slot.norm.variance, out_);
    }
    layers.push_back(layer);
  }
  return layers;
}

// W [x_i, x_j - x_i] = (W1 - W2) x_i + W2 x_j, so the products are made once a particle.
void EdgeBlockPass::forward_nodes(std::span<const float> parameters) {
  const std::span<const float> weight = weight_of(parameters, slot_.layers.front().linear);
  const std::int64_t in = slot_.in;
  for (std::int64_t row = 0; row < out_; ++row) {
    for (std::int64_t c = 0; c < in; ++c) {
      const float of_difference = weight[row * 2 * in + in + c];
      node_weight_[row * in + c] = weight[row * 2 * in + c] - of_difference;
      node_weight_[(stride_ + row) * in + c] = of_difference;
    }
  }
  kernels::linear_forward(x_, node_weight_, {}, in, 2 * stride_,
                          rows_in(nodes_, num_particles_, 2 * stride_));
}

void EdgeBlockPass::forward_shortcut(std::span<const float> parameters, std::span<float> buffers,
                                     std::span<float> y, kernels::SharedSums* shared) {
  const LinearSlot& linear = slot_.shortcut->linear;
  const std::span<float> values = rows_in(shortcut_values_, num_particles_, out_);
  kernels::linear_forward(x_, weight_of(parameters, linear), {}, linear.in, linear.out, values);
  shortcut_norm_->forward(parameters, buffers, values, y, shared);
}

std::span<const float> EdgeBlockPass::forward(std::span<const float> parameters,
                                              std::span<float> buffers, std::span<const float> x,
                                              std::span<const float> coordinates,
                                              std::int64_t dimensions,
                                              std::span<const std::int64_t> offsets,
                                              kernels::EdgeConvWorkspace& workspace,
                                              kernels::SharedSums* shared) {
  x_ = x;
  num_particles_ = offsets.back();
  JETCAL_DCHECK(std::ssize(x) == num_particles_ * slot_.in);
  neighbor_rows_.resize(static_cast<std::size_t>(num_particles_ * neighbors_));
  kernels::knn(coordinates, dimensions, dimensions, offsets, neighbors_, neighbor_rows_);
  kernels::build_edges(neighbor_rows_, neighbors_, edges_);
  forward_nodes(parameters);

  kernels::BatchNormOptions options;
  options.epsilon = static_cast<float>(kNormEpsilon);
  options.shared = shared;
  const std::span<float> output = rows_in(output_, num_particles_, out_);
  edge_conv_.forward(rows_in(nodes_, num_particles_, 2 * stride_), edges_, offsets,
                     layers_of(parameters, buffers), options, output, workspace);
  if (slot_.shortcut) {
    const std::span<float> shortcut = rows_in(rows_, num_particles_, out_);
    forward_shortcut(parameters, buffers, shortcut, shared);
    kernels::add(shortcut, output);
  } else {
    kernels::add(x, output);
  }
  kernels::relu_forward(output);
  return output;
}

void EdgeBlockPass::backward_nodes(std::span<const float> grad_nodes, std::span<float> grad_x,
                                   std::span<float> grad_parameters) {
  const std::int64_t in = slot_.in;
  const std::span<float> grad_weight = rows_in(weight_gradient_, 2 * stride_, in);
  kernels::linear_backward_weights(x_, grad_nodes, in, 2 * stride_, grad_weight, {});
  const std::span<float> weight = weight_of(grad_parameters, slot_.layers.front().linear);
  for (std::int64_t row = 0; row < out_; ++row) {
    for (std::int64_t c = 0; c < in; ++c) {
      const float of_center = grad_weight[row * in + c];
      weight[row * 2 * in + c] = of_center;
      weight[row * 2 * in + in + c] = grad_weight[(stride_ + row) * in + c] - of_center;
    }
  }
  kernels::linear_backward_input(grad_nodes, node_weight_, in, 2 * stride_, grad_x);
}

void EdgeBlockPass::backward_shortcut(std::span<const float> parameters, std::span<float> grad,
                                      std::span<float> grad_x, std::span<float> grad_parameters) {
  if (!slot_.shortcut) {
    kernels::add(grad, grad_x);
    return;
  }
  const LinearSlot& linear = slot_.shortcut->linear;
  shortcut_norm_->backward(parameters, rows_in(shortcut_values_, num_particles_, out_), grad,
                           grad_parameters);
  kernels::linear_backward_weights(x_, grad, linear.in, linear.out,
                                   weight_of(grad_parameters, linear), {});
  const std::span<float> more = rows_in(rows_, num_particles_, linear.in);
  kernels::linear_backward_input(grad, weight_of(parameters, linear), linear.in, linear.out, more);
  kernels::add(more, grad_x);
}

void EdgeBlockPass::backward(std::span<const float> parameters, std::span<float> grad,
                             std::span<float> grad_x, std::span<float> grad_parameters,
                             kernels::EdgeConvWorkspace& workspace) {
  kernels::relu_backward(rows_in(output_, num_particles_, out_), grad);
  std::vector<kernels::EdgeConvGradient> gradients;
  for (const EdgeLayerSlot& slot : slot_.layers) {
    kernels::EdgeConvGradient gradient;
    if (!gradients.empty()) gradient.weight = weight_of(grad_parameters, slot.linear);
    gradient.scale = channels_of(grad_parameters, slot.norm.scale, out_);
    gradient.shift = channels_of(grad_parameters, slot.norm.shift, out_);
    gradients.push_back(gradient);
  }
  const std::span<float> grad_nodes = rows_in(grad_nodes_, num_particles_, 2 * stride_);
  edge_conv_.backward(rows_in(nodes_, num_particles_, 2 * stride_), edges_,
                      layers_of(parameters, {}), grad, grad_nodes, gradients, workspace);
  backward_nodes(grad_nodes, grad_x, grad_parameters);
  backward_shortcut(parameters, grad, grad_x, grad_parameters);
}

}  // namespace jetcal::models::detail
