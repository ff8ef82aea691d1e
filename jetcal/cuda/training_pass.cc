// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/training_pass.h"

#include "jetcal/base/error.h"
#include "jetcal/cuda/detail/network_pass.h"
#include "jetcal/cuda/detail/pool.h"
#include "jetcal/cuda/detail/update.h"

namespace jetcal::cuda {
namespace {

void require_size(std::size_t got, std::int64_t want, const char* what) {
  if (static_cast<std::int64_t>(got) != want) {
    fail(ErrorCode::InvalidArgument, "training pass: ", what, " has ", got, " values, expected ",
         want);
  }
}

}  // namespace

struct TrainingPass::Impl {
  Impl(const models::ModelConfig& config, const models::Standardisation& standardisation,
       Precision precision)
      : layout(detail::make_layout(config)),
        network(detail::make_network_pass(queue, layout, standardisation, precision)) {}

  detail::Queue queue;
  detail::NetworkLayout layout;
  std::unique_ptr<detail::NetworkPass> network;
  detail::BatchSlot slot;
  bool has_forward = false;
  detail::Buffer<float> parameters, buffers, gradient, y, grad_values, grad_y;
};

TrainingPass::TrainingPass(const models::ModelConfig& config,
                           const models::Standardisation& standardisation, Precision precision)
    : impl_(std::make_unique<Impl>(config, standardisation, precision)) {}
TrainingPass::~TrainingPass() = default;

void TrainingPass::forward(std::span<const float> parameters, std::span<float> buffers,
                           const edm::FeatureView& features, std::uint64_t dropout_seed,
                           std::span<float> y) {
  Impl& own = *impl_;
  require_size(parameters.size(), own.layout.flat.num_parameters, "parameters");
  require_size(buffers.size(), own.layout.flat.num_buffers, "buffers");
  require_size(y.size(), features.num_jets(), "y");
  const bool has_edges = own.layout.config.network == models::Network::ParticleNet;
  own.slot.pack(features, 0, features.num_jets(), {}, has_edges ? own.layout.config.neighbors : 0);
  own.slot.copy(own.queue);
  detail::upload(own.queue, parameters, own.parameters);
  detail::upload(own.queue, std::span<const float>(buffers), own.buffers);
  const float* const rows = own.network->forward(own.parameters.data(), own.buffers.data(),
                                                 own.slot.batch(), dropout_seed);
  detail::take_first_column(own.queue, rows, features.num_jets(), detail::kOutputPitch,
                            own.y.reserve(features.num_jets()));
  own.queue.copy_to_host(y.data(), own.y.data(), y.size_bytes());
  own.queue.copy_to_host(buffers.data(), own.buffers.data(), buffers.size_bytes());
  own.queue.synchronize();
  own.has_forward = true;
}

void TrainingPass::backward(std::span<const float> parameters, std::span<const float> grad_y,
                            std::span<float> grad_parameters) {
  Impl& own = *impl_;
  if (!own.has_forward) {
    fail(ErrorCode::FailedPrecondition, "training pass: backward needs a forward before it");
  }
  const std::int64_t jets = own.slot.batch().rows.num_jets;
  require_size(parameters.size(), own.layout.flat.num_parameters, "parameters");
  require_size(grad_y.size(), jets, "grad_y");
  require_size(grad_parameters.size(), own.layout.flat.num_parameters, "grad_parameters");
  detail::upload(own.queue, parameters, own.parameters);
  detail::upload(own.queue, grad_y, own.grad_values);
  float* const rows = own.grad_y.reserve(jets * detail::kOutputPitch);
  detail::place_features(own.queue, own.grad_values.data(), jets, 1, nullptr, nullptr,
                         detail::kOutputPitch, detail::kOutputPitch, rows);
  float* const gradient = own.gradient.reserve(own.layout.flat.num_parameters);
  own.network->backward(own.parameters.data(), rows, gradient);
  own.queue.copy_to_host(grad_parameters.data(), gradient, grad_parameters.size_bytes());
  own.queue.synchronize();
}

}  // namespace jetcal::cuda
