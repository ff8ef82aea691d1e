// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/training_step.h"

#include <algorithm>
#include <array>
#include <deque>

#include "jetcal/base/error.h"
#include "jetcal/cuda/detail/network_pass.h"
#include "jetcal/cuda/detail/update.h"

namespace jetcal::cuda {
namespace {

// One batch on its way.
struct InFlight {
  detail::BatchSlot batch;
  detail::Event copied, done;
  detail::PinnedBuffer<detail::StepReport> report{1};
  bool pending = false;
};

std::vector<float> download(detail::Queue& queue, const detail::Buffer<float>& from) {
  std::vector<float> values(static_cast<std::size_t>(from.capacity()));
  queue.copy_to_host(values.data(), from.data(), values.size() * sizeof(float));
  queue.synchronize();
  return values;
}

}  // namespace

struct TrainingStep::Impl {
  Impl(const models::Model& start, const UpdateRule& update_rule, Precision precision);

  void collect(InFlight& slot);
  void collect_all();
  void put_back(detail::Buffer<float>& to, const std::vector<float>& from);

  models::Model model;
  UpdateRule rule;
  detail::Queue compute, copies;
  detail::NetworkLayout layout;
  std::unique_ptr<detail::NetworkPass> network;
  detail::Buffer<float> parameters, buffers, gradient, average, square, slow, grad_y;
  detail::Buffer<detail::UpdateState> state{1};
  detail::Buffer<detail::StepReport> report{1};
  std::array<InFlight, 2> slots;
  std::int64_t submitted = 0;
  std::deque<StepOutcome> outcomes;
};

TrainingStep::Impl::Impl(const models::Model& start, const UpdateRule& update_rule,
                         Precision precision)
    : model(start),
      rule(update_rule),
      layout(detail::make_layout(start.config)),
      network(detail::make_network_pass(compute, layout, start.standardisation, precision)) {
  const std::int64_t size = layout.flat.num_parameters;
  gradient.reserve(size);
  detail::upload(compute, std::span<const float>(model.parameters), parameters);
  detail::upload(compute, std::span<const float>(model.buffers), buffers);
  const auto zeros = [&](detail::Buffer<float>& values) {
    compute.fill_zero(values.reserve(size), static_cast<std::size_t>(size) * sizeof(float));
  };
  zeros(square);
  if (rule.kind != UpdateKind::Adagrad && rule.kind != UpdateKind::Rmsprop) zeros(average);
  if (rule.kind == UpdateKind::Ranger) {
    detail::upload(compute, std::span<const float>(model.parameters), slow);
  }
  compute.fill_zero(state.data(), sizeof(detail::UpdateState));
  compute.synchronize();
}

// Waits for the slot's step and keeps its outcome.
void TrainingStep::Impl::collect(InFlight& slot) {
  if (!slot.pending) return;
  slot.done.wait();
  const detail::StepReport& own = *slot.report.data();
  outcomes.push_back({own.loss, own.loss_finite != 0, own.gradient_finite != 0});
  slot.pending = false;
}

void TrainingStep::Impl::collect_all() {
  // The slot that the next batch takes holds the older one.
  collect(slots[static_cast<std::size_t>(submitted % 2)]);
  collect(slots[static_cast<std::size_t>((submitted + 1) % 2)]);
}

void TrainingStep::Impl::put_back(detail::Buffer<float>& to, const std::vector<float>& from) {
  if (static_cast<std::int64_t>(from.size()) != to.capacity()) {
    fail(ErrorCode::DataLoss, "the optimizer's state has ", from.size(), " values instead of ",
         to.capacity());
  }
  compute.copy_to_device(to.data(), from.data(), from.size() * sizeof(float));
}

TrainingStep::TrainingStep(const models::Model& start, const UpdateRule& rule, Precision precision)
    : impl_(std::make_unique<Impl>(start, rule, precision)) {}
TrainingStep::~TrainingStep() = default;

void TrainingStep::submit(const edm::FeatureBatch& batch, std::uint64_t dropout_seed,
                          double learning_rate) {
  Impl& own = *impl_;
  InFlight& slot = own.slots[static_cast<std::size_t>(own.submitted % 2)];
  own.collect(slot);
  if (batch.target.size() != static_cast<std::size_t>(batch.num_jets())) {
    fail(ErrorCode::InvalidArgument, "training step: ", batch.target.size(), " targets for ",
         batch.num_jets(), " jets");
  }
  if (!batch.weight.empty()) {
    fail(ErrorCode::Unimplemented, "training step: the GPU knows no weights of jets yet");
  }
  const std::int64_t jets = batch.num_jets();
  const bool has_edges = own.layout.config.network == models::Network::ParticleNet;
  slot.batch.pack(batch.view(), 0, jets, batch.target, has_edges ? own.layout.config.neighbors : 0);
  slot.batch.copy(own.copies);
  slot.copied.record(own.copies);
  slot.copied.hold(own.compute);

  const detail::DeviceBatch& inputs = slot.batch.batch();
  const float* const y =
      own.network->forward(own.parameters.data(), own.buffers.data(), inputs, dropout_seed);
  float* const grad_y = own.grad_y.reserve(jets * detail::kOutputPitch);
  detail::loss_and_gradient(own.compute, y, inputs.target, jets, detail::kOutputPitch, grad_y,
                            own.report.data());
  own.network->backward(own.parameters.data(), grad_y, own.gradient.data());
  const std::int64_t size = own.layout.flat.num_parameters;
  detail::check_gradient(own.compute, own.gradient.data(), size, own.report.data());
  detail::update_parameters(own.compute, own.rule, learning_rate, own.report.data(),
                            own.state.data(),
                            {size, own.gradient.data(), own.parameters.data(), own.average.data(),
                             own.square.data(), own.slow.data()});
  own.compute.copy_to_host(slot.report.data(), own.report.data(), sizeof(detail::StepReport));
  slot.done.record(own.compute);
  slot.pending = true;
  ++own.submitted;
}

StepOutcome TrainingStep::next_outcome() {
  Impl& own = *impl_;
  if (own.outcomes.empty()) {
    // The older of the two comes first.
    own.collect(own.slots[static_cast<std::size_t>(own.submitted % 2)]);
  }
  if (own.outcomes.empty()) {
    own.collect(own.slots[static_cast<std::size_t>((own.submitted + 1) % 2)]);
  }
  if (own.outcomes.empty()) {
    fail(ErrorCode::FailedPrecondition, "training step: every outcome was asked for already");
  }
  const StepOutcome outcome = own.outcomes.front();
  own.outcomes.pop_front();
  return outcome;
}

const models::Model& TrainingStep::model() {
  Impl& own = *impl_;
  own.collect_all();
  own.model.parameters = download(own.compute, own.parameters);
  own.model.buffers = download(own.compute, own.buffers);
  return own.model;
}

UpdateMoments TrainingStep::moments() {
  Impl& own = *impl_;
  own.collect_all();
  detail::UpdateState state{};
  own.compute.copy_to_host(&state, own.state.data(), sizeof state);
  own.compute.synchronize();
  return {state.steps, download(own.compute, own.average), download(own.compute, own.square),
          download(own.compute, own.slow)};
}

void TrainingStep::restore(std::span<const float> parameters, std::span<const float> buffers,
                           const UpdateMoments& moments) {
  Impl& own = *impl_;
  own.collect_all();
  if (parameters.size() != own.model.parameters.size() ||
      buffers.size() != own.model.buffers.size()) {
    fail(ErrorCode::DataLoss, "the checkpoint holds ", parameters.size(), " parameters and ",
         buffers.size(), " buffers instead of ", own.model.parameters.size(), " and ",
         own.model.buffers.size());
  }
  own.put_back(own.average, moments.average);
  own.put_back(own.square, moments.square);
  own.put_back(own.slow, moments.slow);
  own.compute.copy_to_device(own.parameters.data(), parameters.data(), parameters.size_bytes());
  own.compute.copy_to_device(own.buffers.data(), buffers.data(), buffers.size_bytes());
  detail::UpdateState state{};
  state.steps = moments.steps;
  own.compute.copy_to_device(own.state.data(), &state, sizeof state);
  own.compute.synchronize();
}

}  // namespace jetcal::cuda
