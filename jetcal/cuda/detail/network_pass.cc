// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/detail/network_pass.h"

#include <algorithm>
#include <optional>

#include "jetcal/base/error.h"
#include "jetcal/cuda/detail/column_sums.h"
#include "jetcal/cuda/detail/edge_block.h"
#include "jetcal/cuda/detail/pool.h"
#include "jetcal/cuda/detail/rows.h"

namespace jetcal::cuda::detail {
namespace {

static_assert(kOutputPitch == padded(1));

std::int64_t widest(const NetworkLayout& layout) {
  std::int64_t width = std::max(layout.particle_width, padded(models::kFeatureConvUnits));
  for (const LinearPlace& layer : layout.particle_layers) width = std::max(width, layer.out);
  for (const BlockPlace& block : layout.blocks) width = std::max(width, block.out);
  for (const LinearPlace& layer : layout.head) width = std::max(width, layer.out);
  return width;
}

/// Shifts and scales of the inputs, on the device; null where there are none.
class DeviceShifts {
 public:
  DeviceShifts(Queue& queue, const models::Standardisation& shifts) {
    if (shifts.empty()) return;
    upload(queue, std::span<const float>(shifts.particle_mean), particle_mean);
    upload(queue, std::span<const float>(shifts.particle_deviation), particle_deviation);
    upload(queue, std::span<const float>(shifts.jet_mean), jet_mean);
    upload(queue, std::span<const float>(shifts.jet_deviation), jet_deviation);
    queue.synchronize();
  }
  Buffer<float> particle_mean, particle_deviation, jet_mean, jet_deviation;
};

template <typename T>
class NetworkPassOf final : public NetworkPass {
 public:
  NetworkPassOf(Queue& queue, const NetworkLayout& layout,
                const models::Standardisation& standardisation, Precision precision)
      : queue_(queue),
        layout_(layout),
        products_(queue, precision),
        image_(queue, layout.copies, layout.image_size, precision == Precision::Bfloat16),
        norms_(layout),
        shifts_(queue, standardisation),
        head_(layout.head, layout.config.dropout, /*linear_last=*/true),
        parts_(column_parts_size(widest(layout))) {
    if (layout.config.network == models::Network::Pfn) {
      particle_stack_.emplace(layout.particle_layers, 0.0, /*linear_last=*/false);
    }
    for (const BlockPlace& block : layout.blocks) blocks_.emplace_back(block);
  }

  const float* forward(const float* parameters, float* buffers, const DeviceBatch& batch,
                       std::uint64_t dropout_seed) override;
  void backward(const float* parameters, const float* grad_y, float* grad_parameters) override;

 private:
  PassContext context(const float* parameters) {
    return {queue_, products_, image_, parameters, nullptr, nullptr, parts_.data()};
  }
  bool is_pfn() const { return layout_.config.network == models::Network::Pfn; }
  void place_inputs();
  void forward_pfn(const PassContext& context);
  void forward_particlenet(const PassContext& context);
  void backward_particlenet(const PassContext& context, float* grad);

  Queue& queue_;
  NetworkLayout layout_;
  Products products_;
  Image image_;
  NormTable norms_;
  DeviceShifts shifts_;
  DenseStack<float> head_;
  std::optional<DenseStack<T>> particle_stack_;
  std::vector<EdgeBlock<T>> blocks_;
  EdgeScratch<T> scratch_;
  Buffer<double> parts_;

  DeviceBatch batch_;
  Buffer<float> particles_, joined_;         // inputs
  Buffer<float> normed_, values_, feature_;  // ParticleNet: around the feature convolution
  Buffer<float> grad_joined_, grad_particles_, grad_normed_;
};

template <typename T>
void NetworkPassOf<T>::place_inputs() {
  const JetRows& rows = batch_.rows;
  place_features(queue_, batch_.particles, rows.num_particles, edm::kNumParticleFeatures,
                 shifts_.particle_mean.data(), shifts_.particle_deviation.data(),
                 layout_.particle_width, layout_.particle_width,
                 particles_.reserve(rows.num_particles * layout_.particle_width));
  float* const joined = joined_.reserve(rows.num_jets * layout_.joined);
  place_features(queue_, batch_.jets, rows.num_jets, edm::kNumJetFeatures, shifts_.jet_mean.data(),
                 shifts_.jet_deviation.data(), layout_.joined - layout_.pooled, layout_.joined,
                 joined + layout_.pooled);
  const EdgeRows lists{scratch_.jets.reserve(rows.num_particles),
                       scratch_.edge_offsets.reserve(rows.num_particles + 1),
                       scratch_.sources.reserve(rows.num_edges)};
  scratch_.rows = lists;
  if (is_pfn()) {
    list_particles(queue_, rows.offsets, rows.num_jets, lists.jets);
  } else {
    list_edges(queue_, rows, lists);
  }
}

template <typename T>
void NetworkPassOf<T>::forward_pfn(const PassContext& context) {
  const JetRows& rows = batch_.rows;
  const T* const output =
      particle_stack_->forward(context, particles_.data(), rows.num_particles, 0);
  pool_jets(queue_, output, rows.offsets, rows.num_jets, {layout_.pooled, layout_.joined},
            /*mean=*/false, joined_.data());
}

template <typename T>
void NetworkPassOf<T>::forward_particlenet(const PassContext& context) {
  const JetRows& jets = batch_.rows;
  const std::int64_t rows = jets.num_particles;
  const LinearPlace& feature = layout_.feature;
  const float* const x = particles_.data();
  norm_statistics(context, layout_.input_norm, norms_, x, rows);
  float* const normed = normed_.reserve(rows * feature.in);
  normalise(queue_, x, rows, norms_.of(layout_.input_norm), /*relu=*/false, normed);
  float* const values = values_.reserve(rows * feature.out);
  products_.forward(static_cast<const float*>(normed), image_.weights() + feature.weight, rows,
                    feature.in, feature.out, values);
  norm_statistics(context, layout_.feature_norm, norms_, static_cast<const float*>(values), rows);
  const float* output = feature_.reserve(rows * feature.out);
  normalise(queue_, static_cast<const float*>(values), rows, norms_.of(layout_.feature_norm),
            /*relu=*/true, feature_.data());
  const float* coordinates = batch_.points;
  std::int64_t dimensions = edm::kNumPointCoordinates;
  std::int64_t stride = edm::kNumPointCoordinates;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    output = blocks_[i].forward(context, norms_, jets, output, coordinates, dimensions, stride,
                                scratch_);
    coordinates = output;
    dimensions = layout_.config.edge_units;
    stride = layout_.blocks[i].out;
  }
  pool_jets(queue_, output, jets.offsets, jets.num_jets, {layout_.pooled, layout_.joined},
            /*mean=*/true, joined_.data());
}

template <typename T>
const float* NetworkPassOf<T>::forward(const float* parameters, float* buffers,
                                       const DeviceBatch& batch, std::uint64_t dropout_seed) {
  batch_ = batch;
  image_.pack(queue_, parameters);
  PassContext context = this->context(parameters);
  context.buffers = buffers;
  place_inputs();
  if (is_pfn()) {
    forward_pfn(context);
  } else {
    forward_particlenet(context);
  }
  return head_.forward(context, joined_.data(), batch_.rows.num_jets, dropout_seed);
}

template <typename T>
void NetworkPassOf<T>::backward_particlenet(const PassContext& context, float* grad) {
  const std::int64_t rows = batch_.rows.num_particles;
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    grad = block->backward(context, norms_, grad, scratch_);
  }
  const LinearPlace& feature = layout_.feature;
  const float* const values = values_.data();
  const EdgeGradient<float> source{grad, nullptr, nullptr, nullptr};
  norm_gradients(context, layout_.feature_norm, norms_, values, source, rows, /*relu=*/true);
  norm_backward_apply(queue_, values, source, rows, norms_.of(layout_.feature_norm), /*relu=*/true,
                      grad);
  products_.backward_weights(static_cast<const float*>(normed_.data()),
                             static_cast<const float*>(grad), rows, feature.in, feature.out,
                             image_.gradient() + feature.weight);
  float* const grad_normed = grad_normed_.reserve(rows * feature.in);
  products_.backward_input(static_cast<const float*>(grad), image_.weights() + feature.weight, rows,
                           feature.in, feature.out, /*add=*/false, grad_normed);
  norm_gradients(context, layout_.input_norm, norms_, static_cast<const float*>(particles_.data()),
                 {grad_normed, nullptr, nullptr, nullptr}, rows, /*relu=*/false);
}

template <typename T>
void NetworkPassOf<T>::backward(const float* parameters, const float* grad_y,
                                float* grad_parameters) {
  const JetRows& rows = batch_.rows;
  PassContext context = this->context(parameters);
  context.grad_parameters = grad_parameters;
  float* const grad_joined = grad_joined_.reserve(rows.num_jets * layout_.joined);
  head_.backward(context, grad_y, grad_joined);
  float* const grad = grad_particles_.reserve(rows.num_particles * layout_.pooled);
  spread_to_particles(queue_, grad_joined, rows.offsets, scratch_.rows.jets, rows.num_particles,
                      {layout_.pooled, layout_.joined}, /*mean=*/!is_pfn(), grad);
  if (is_pfn()) {
    particle_stack_->backward(context, grad, nullptr);
  } else {
    backward_particlenet(context, grad);
  }
  image_.unpack_gradient(queue_, grad_parameters);
}

}  // namespace

std::unique_ptr<NetworkPass> make_network_pass(Queue& queue, const NetworkLayout& layout,
                                               const models::Standardisation& standardisation,
                                               Precision precision) {
  if (standardisation.has_bounds())
    fail(ErrorCode::Unimplemented, "the GPU does not clip features yet: train on the CPU");
  if (precision == Precision::Bfloat16) {
    return std::make_unique<NetworkPassOf<Bf16>>(queue, layout, standardisation, precision);
  }
  return std::make_unique<NetworkPassOf<float>>(queue, layout, standardisation, precision);
}

}  // namespace jetcal::cuda::detail
