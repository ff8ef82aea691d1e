// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/detail/edge_block.h"

#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::cuda::detail {

NormTable::NormTable(const NetworkLayout& layout) : storage_(6 * layout.norm_channels) {
  if (layout.config.network == models::Network::Pfn) return;
  add(layout.input_norm);
  add(layout.feature_norm);
  for (const BlockPlace& block : layout.blocks) {
    for (const EdgeLayerPlace& layer : block.layers) add(layer.norm);
    if (block.shortcut) add(block.shortcut->norm);
  }
}

void NormTable::add(const NormPlace& place) {
  JETCAL_DCHECK(place.index == std::ssize(arrays_));
  const std::int64_t c = place.channels;
  float* const at = storage_.data() + used_;
  arrays_.push_back({c, at, at + c, at + 2 * c, at + 3 * c, at + 4 * c, at + 5 * c});
  used_ += 6 * c;
}

void norm_from_parts(const PassContext& context, const NormPlace& place, const NormTable& norms,
                     std::int64_t rows) {
  const NormSource source{place.real_channels, context.parameters + place.gamma,
                          context.parameters + place.beta, context.buffers + place.mean,
                          context.buffers + place.variance};
  norm_finish(context.queue, context.parts, rows, source, norms.of(place));
}

template <typename T>
void norm_statistics(const PassContext& context, const NormPlace& place, const NormTable& norms,
                     const T* z, std::int64_t rows) {
  norm_moments(context.queue, z, rows, place.channels, context.parts);
  norm_from_parts(context, place, norms, rows);
}

template <typename T>
void norm_gradients(const PassContext& context, const NormPlace& place, const NormTable& norms,
                    const T* z, const EdgeGradient<T>& gradient, std::int64_t rows, bool relu) {
  norm_backward_sums(context.queue, z, gradient, rows, norms.of(place), relu, context.parts);
  norm_backward_finish(context.queue, context.parts, rows, place.real_channels, norms.of(place),
                       context.grad_parameters + place.gamma, context.grad_parameters + place.beta);
}

template <typename T>
EdgeBlock<T>::EdgeBlock(const BlockPlace& place) : place_(place), values_(place.layers.size()) {}

template <typename T>
EdgeLists EdgeBlock<T>::lists(const EdgeScratch<T>& scratch) const {
  return {num_particles_,       num_edges_,      scratch.rows.edge_offsets,
          scratch.rows.sources, targets_.data(), reverse_offsets_.data(),
          reverse_edges_.data()};
}

template <typename T>
void EdgeBlock<T>::forward_layers(const PassContext& context, const NormTable& norms,
                                  EdgeScratch<T>& scratch) {
  const std::int64_t out = place_.out;
  const LinearPlace& first = place_.layers.front().linear;
  float* const products = products_.reserve(num_particles_ * 2 * out);
  context.products.forward(x_, context.image.weights() + first.weight, num_particles_, first.in,
                           2 * out, products);
  edge_add_moments(context.queue, products, lists(scratch), out,
                   values_.front().reserve(num_edges_ * out), context.parts);
  norm_from_parts(context, place_.layers.front().norm, norms, num_edges_);
  T* const activation = scratch.activation.reserve(num_edges_ * out);
  for (std::size_t layer = 1; layer < place_.layers.size(); ++layer) {
    const EdgeLayerPlace& place = place_.layers[layer];
    normalise(context.queue, static_cast<const T*>(values_[layer - 1].data()), num_edges_,
              norms.of(place_.layers[layer - 1].norm), /*relu=*/true, activation);
    T* const values = values_[layer].reserve(num_edges_ * out);
    context.products.forward(activation, weights_of<T>(context.image) + place.linear.weight,
                             num_edges_, out, out, values);
    norm_statistics(context, place.norm, norms, static_cast<const T*>(values), num_edges_);
  }
}

template <typename T>
const float* EdgeBlock<T>::forward(const PassContext& context, const NormTable& norms,
                                   const JetRows& jets, const float* x, const float* coordinates,
                                   std::int64_t dimensions, std::int64_t stride,
                                   EdgeScratch<T>& scratch) {
  x_ = x;
  num_particles_ = jets.num_particles;
  num_edges_ = jets.num_edges;
  std::int32_t* const targets = targets_.reserve(num_edges_);
  find_neighbors(context.queue, jets, coordinates, dimensions, stride, targets,
                 scratch.search.reserve(num_edges_));
  reverse_edges(context.queue, jets, targets, reverse_offsets_.reserve(num_particles_ + 1),
                reverse_edges_.reserve(num_edges_));
  forward_layers(context, norms, scratch);

  const float* shortcut = x;
  NormArrays shortcut_norm;
  if (place_.shortcut) {
    const EdgeLayerPlace& place = *place_.shortcut;
    float* const values = shortcut_values_.reserve(num_particles_ * place_.out);
    context.products.forward(x, context.image.weights() + place.linear.weight, num_particles_,
                             place.linear.in, place.linear.out, values);
    norm_statistics(context, place.norm, norms, static_cast<const float*>(values), num_particles_);
    shortcut = values;
    shortcut_norm = norms.of(place.norm);
  }
  float* const output = output_.reserve(num_particles_ * place_.out);
  edge_mean(context.queue, static_cast<const T*>(values_.back().data()), lists(scratch),
            norms.of(place_.layers.back().norm), shortcut, shortcut_norm, output);
  return output;
}

// Leaves the gradient of the first layer's values in scratch.gradient.
template <typename T>
void EdgeBlock<T>::backward_layers(const PassContext& context, const NormTable& norms,
                                   const float* grad, EdgeScratch<T>& scratch) {
  const std::int64_t out = place_.out;
  T* const activation = scratch.activation.reserve(num_edges_ * out);
  EdgeGradient<T> source{nullptr, grad, scratch.rows.sources, scratch.rows.edge_offsets};
  for (std::size_t layer = place_.layers.size() - 1;; --layer) {
    const EdgeLayerPlace& place = place_.layers[layer];
    const T* const values = values_[layer].data();
    T* const grad_values = scratch.gradient.reserve(num_edges_ * out);
    norm_gradients(context, place.norm, norms, values, source, num_edges_, /*relu=*/true);
    norm_backward_apply(context.queue, values, source, num_edges_, norms.of(place.norm),
                        /*relu=*/true, grad_values);
    if (layer == 0) return;
    normalise(context.queue, static_cast<const T*>(values_[layer - 1].data()), num_edges_,
              norms.of(place_.layers[layer - 1].norm), /*relu=*/true, activation);
    context.products.backward_weights(activation, grad_values, num_edges_, out, out,
                                      context.image.gradient() + place.linear.weight);
    context.products.backward_input(grad_values, weights_of<T>(context.image) + place.linear.weight,
                                    num_edges_, out, out,
                                    /*add=*/false, scratch.next_gradient.reserve(num_edges_ * out));
    std::swap(scratch.gradient, scratch.next_gradient);
    source = {scratch.gradient.data(), nullptr, nullptr, nullptr};
  }
}

template <typename T>
float* EdgeBlock<T>::backward(const PassContext& context, const NormTable& norms, float* grad,
                              EdgeScratch<T>& scratch) {
  const std::int64_t out = place_.out;
  const LayerEnd relu_end{out, out, nullptr, true, 0, 0};
  finish_layer_backward(context.queue, static_cast<const float*>(output_.data()),
                        static_cast<const float*>(grad), num_particles_, relu_end, grad,
                        context.parts);
  backward_layers(context, norms, grad, scratch);

  const LinearPlace& first = place_.layers.front().linear;
  float* const grad_products = grad_products_.reserve(num_particles_ * 2 * out);
  edge_add_backward(context.queue, static_cast<const T*>(scratch.gradient.data()), lists(scratch),
                    out, grad_products);
  context.products.backward_weights(x_, static_cast<const float*>(grad_products), num_particles_,
                                    first.in, 2 * out, context.image.gradient() + first.weight);
  float* grad_x = grad;  // the shortcut's part comes first
  if (place_.shortcut) {
    const EdgeLayerPlace& place = *place_.shortcut;
    const EdgeGradient<float> source{grad, nullptr, nullptr, nullptr};
    const float* const values = shortcut_values_.data();
    norm_gradients(context, place.norm, norms, values, source, num_particles_, /*relu=*/false);
    norm_backward_apply(context.queue, values, source, num_particles_, norms.of(place.norm),
                        /*relu=*/false, grad);
    context.products.backward_weights(x_, static_cast<const float*>(grad), num_particles_,
                                      place.linear.in, out,
                                      context.image.gradient() + place.linear.weight);
    grad_x = grad_x_.reserve(num_particles_ * place_.in);
    context.products.backward_input(static_cast<const float*>(grad),
                                    context.image.weights() + place.linear.weight, num_particles_,
                                    place.linear.in, out, /*add=*/false, grad_x);
  }
  context.products.backward_input(static_cast<const float*>(grad_products),
                                  context.image.weights() + first.weight, num_particles_, first.in,
                                  2 * out, /*add=*/true, grad_x);
  return grad_x;
}

template class EdgeBlock<float>;
template class EdgeBlock<Bf16>;
template void norm_statistics(const PassContext&, const NormPlace&, const NormTable&, const float*,
                              std::int64_t);
template void norm_gradients(const PassContext&, const NormPlace&, const NormTable&, const float*,
                             const EdgeGradient<float>&, std::int64_t, bool);

}  // namespace jetcal::cuda::detail
