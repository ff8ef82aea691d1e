// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/detail/edge_block_pass.h"

#include <algorithm>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/kernels/elementwise.h"
#include "jetcal/kernels/knn.h"
#include "jetcal/kernels/linear.h"
#include "jetcal/kernels/segment.h"

namespace jetcal::models::detail {

using kernels::Activation;

EdgeBlockPass::EdgeBlockPass(const EdgeBlockSlot& slot, std::int64_t neighbors)
    : slot_(slot),
      neighbors_(neighbors),
      out_(slot.layers.front().linear.out),
      edge_values_(slot.layers.size()) {
  for (const EdgeLayerSlot& layer : slot_.layers) norms_.emplace_back(layer.norm, Activation::Relu);
  if (slot_.shortcut) shortcut_norm_.emplace(slot_.shortcut->norm, Activation::None);
}

// W [x_i, x_j - x_i] = (W1 - W2) x_i + W2 x_j, so the products are made once a particle.
void EdgeBlockPass::forward_first_layer(std::span<const float> parameters) {
  const std::span<const float> weight = weight_of(parameters, slot_.layers.front().linear);
  const std::int64_t in = slot_.in;
  const std::span<float> center_weight = rows_in(center_weight_, out_, in);
  const std::span<float> neighbor_weight = rows_in(neighbor_weight_, out_, in);
  for (std::int64_t row = 0; row < out_; ++row) {
    for (std::int64_t c = 0; c < in; ++c) {
      const float of_difference = weight[row * 2 * in + in + c];
      center_weight[row * in + c] = weight[row * 2 * in + c] - of_difference;
      neighbor_weight[row * in + c] = of_difference;
    }
  }
  const std::span<float> center = rows_in(center_, num_particles_, out_);
  const std::span<float> neighbor = rows_in(neighbor_, num_particles_, out_);
  kernels::linear_forward(x_, center_weight, {}, in, out_, center);
  kernels::linear_forward(x_, neighbor_weight, {}, in, out_, neighbor);
  kernels::edge_add(center, neighbor, edges_, out_,
                    rows_in(edge_values_.front(), edges_.num_edges(), out_));
}

void EdgeBlockPass::forward_shortcut(std::span<const float> parameters, std::span<float> buffers,
                                     std::span<float> y) {
  const LinearSlot& linear = slot_.shortcut->linear;
  const std::span<float> values = rows_in(shortcut_values_, num_particles_, out_);
  kernels::linear_forward(x_, weight_of(parameters, linear), {}, linear.in, linear.out, values);
  shortcut_norm_->forward(parameters, buffers, values, y);
}

std::span<const float> EdgeBlockPass::forward(std::span<const float> parameters,
                                              std::span<float> buffers, std::span<const float> x,
                                              std::span<const float> coordinates,
                                              std::int64_t dimensions,
                                              std::span<const std::int64_t> offsets,
                                              EdgeScratch& scratch) {
  x_ = x;
  num_particles_ = offsets.back();
  JETCAL_DCHECK(std::ssize(x) == num_particles_ * slot_.in);
  neighbor_rows_.resize(static_cast<std::size_t>(num_particles_ * neighbors_));
  kernels::knn(coordinates, dimensions, dimensions, offsets, neighbors_, neighbor_rows_);
  kernels::build_edges(neighbor_rows_, neighbors_, /*with_reverse=*/true, edges_);

  forward_first_layer(parameters);
  const std::int64_t num_edges = edges_.num_edges();
  const std::span<float> activation = rows_in(scratch.activation, num_edges, out_);
  for (std::size_t layer = 0; layer < norms_.size(); ++layer) {
    const std::span<float> values = rows_in(edge_values_[layer], num_edges, out_);
    if (layer > 0) {
      kernels::linear_forward(activation, weight_of(parameters, slot_.layers[layer].linear), {},
                              out_, out_, values);
    }
    norms_[layer].forward(parameters, buffers, values, activation);
  }
  const std::span<float> output = rows_in(output_, num_particles_, out_);
  kernels::segment_mean(activation, edges_.offsets, out_, output);
  if (slot_.shortcut) {
    const std::span<float> shortcut = rows_in(center_, num_particles_, out_);
    forward_shortcut(parameters, buffers, shortcut);
    kernels::add(shortcut, output);
  } else {
    kernels::add(x, output);
  }
  kernels::relu_forward(output);
  return output;
}

// Leaves the gradient of the first layer's values in scratch.gradient.
void EdgeBlockPass::backward_edges(std::span<const float> parameters, std::span<const float> grad,
                                   std::span<float> grad_parameters, EdgeScratch& scratch) {
  const std::int64_t num_edges = edges_.num_edges();
  kernels::segment_mean_backward(grad, edges_.offsets, out_,
                                 rows_in(scratch.gradient, num_edges, out_));
  for (std::size_t layer = norms_.size() - 1;; --layer) {
    const std::span<float> grad_values = rows_in(scratch.gradient, num_edges, out_);
    norms_[layer].backward(parameters, rows_in(edge_values_[layer], num_edges, out_), grad_values,
                           grad_parameters);
    if (layer == 0) return;
    const std::span<float> activation = rows_in(scratch.activation, num_edges, out_);
    norms_[layer - 1].forward(parameters, {}, rows_in(edge_values_[layer - 1], num_edges, out_),
                              activation);
    const LinearSlot& linear = slot_.layers[layer].linear;
    kernels::linear_backward_weights(activation, grad_values, out_, out_,
                                     weight_of(grad_parameters, linear), {});
    kernels::linear_backward_input(grad_values, weight_of(parameters, linear), out_, out_,
                                   rows_in(scratch.next_gradient, num_edges, out_));
    std::swap(scratch.gradient, scratch.next_gradient);
  }
}

void EdgeBlockPass::backward_first_layer(std::span<const float> grad_edges, std::span<float> grad_x,
                                         std::span<float> grad_parameters) {
  const std::int64_t in = slot_.in;
  const std::span<float> grad_center = rows_in(center_, num_particles_, out_);
  const std::span<float> grad_neighbor = rows_in(neighbor_, num_particles_, out_);
  kernels::edge_add_backward(grad_edges, edges_, out_, grad_center, grad_neighbor);

  const std::span<float> of_center = rows_in(weight_gradient_, 2 * out_, in).first(out_ * in);
  const std::span<float> of_neighbor = rows_in(weight_gradient_, 2 * out_, in).subspan(out_ * in);
  kernels::linear_backward_weights(x_, grad_center, in, out_, of_center, {});
  kernels::linear_backward_weights(x_, grad_neighbor, in, out_, of_neighbor, {});
  const std::span<float> weight = weight_of(grad_parameters, slot_.layers.front().linear);
  for (std::int64_t row = 0; row < out_; ++row) {
    for (std::int64_t c = 0; c < in; ++c) {
      weight[row * 2 * in + c] = of_center[row * in + c];
      weight[row * 2 * in + in + c] = of_neighbor[row * in + c] - of_center[row * in + c];
    }
  }
  const std::span<float> more = rows_in(input_gradient_, num_particles_, in);
  kernels::linear_backward_input(grad_center, rows_in(center_weight_, out_, in), in, out_, grad_x);
  kernels::linear_backward_input(grad_neighbor, rows_in(neighbor_weight_, out_, in), in, out_,
                                 more);
  kernels::add(more, grad_x);
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
  const std::span<float> more = rows_in(input_gradient_, num_particles_, linear.in);
  kernels::linear_backward_input(grad, weight_of(parameters, linear), linear.in, linear.out, more);
  kernels::add(more, grad_x);
}

void EdgeBlockPass::backward(std::span<const float> parameters, std::span<float> grad,
                             std::span<float> grad_x, std::span<float> grad_parameters,
                             EdgeScratch& scratch) {
  kernels::relu_backward(rows_in(output_, num_particles_, out_), grad);
  backward_edges(parameters, grad, grad_parameters, scratch);
  backward_first_layer(rows_in(scratch.gradient, edges_.num_edges(), out_), grad_x,
                       grad_parameters);
  backward_shortcut(parameters, grad, grad_x, grad_parameters);
}

}  // namespace jetcal::models::detail
