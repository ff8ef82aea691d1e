// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/learner.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/kernels/optimizer_step.h"
#include "jetcal/train/detail/loss_terms.h"
#include "jetcal/train/head_loss.h"

namespace jetcal::train {
namespace {

// What one call of the network needs besides its parameters, and where their gradient goes.
struct NetworkCall {
  NetworkPass& pass;
  std::span<float> buffers;
  edm::FeatureView features;
  std::uint64_t dropout_seed;
  std::span<float> gradient;
  models::BatchShare share;
  models::GradientsFinished finished;
};

std::span<const float> values_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

std::span<float> mutable_values_of(at::Tensor& tensor) {
  return {tensor.mutable_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

// The whole network as one differentiable function of its flat parameter tensor.
struct NetworkFunction : torch::autograd::Function<NetworkFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& parameters,
                            NetworkCall* call) {
    at::Tensor y = at::empty({call->features.num_jets()}, at::kFloat);
    call->pass.forward(values_of(parameters), call->buffers, call->features, call->dropout_seed,
                       mutable_values_of(y), call->share);
    context->save_for_backward({parameters});
    context->saved_data["call"] = reinterpret_cast<std::int64_t>(call);
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    auto* const call = reinterpret_cast<NetworkCall*>(context->saved_data["call"].toInt());
    const at::Tensor parameters = context->get_saved_variables()[0];
    const at::Tensor grad_y = grad_outputs[0].contiguous();
    // Written in place: what libtorch would allocate, add up and clear is as large as the network.
    call->pass.backward(values_of(parameters), values_of(grad_y), call->gradient, call->finished);
    return {at::Tensor(), at::Tensor()};
  }
};

}  // namespace

struct Learner::Impl {
  Impl(models::Model start, const OptimizerOptions& options, const ClipOptions& clip_options,
       double flavor_weight, workers::Communicator* workers, const DistributedOptions& distributed,
       const NetworkPassFactory& factory)
      : model(std::move(start)),
        clip(clip_options),
        ranges(options.ranges),
        loss_options{model.config.head, model.config.flavor_head, flavor_weight},
        gradient(model.parameters.size(), 0.0F),
        pass(make_network_pass(factory, model.config, model.standardisation)),
        optimizer(options, model.parameters, gradient) {
    const auto size = static_cast<std::int64_t>(gradient.size());
    parameters = at::from_blob(model.parameters.data(), {size}, at::kFloat).requires_grad_();
    if (workers != nullptr) shared.emplace(*workers, gradient, distributed);
  }

  // Whether the network gives y alone, and y is what the batch calls target.
  bool is_plain() const {
    const bool from_raw = model.config.target == edm::Reference::Raw && !model.config.skip;
    return model.config.head == models::Head::Value && !model.config.flavor_head && !from_raw;
  }

  // The same for a network that gives more than y.
  double differentiate_head(const edm::FeatureBatch& batch, std::uint64_t dropout_seed,
                            const BatchPart& part) {
    const auto size =
        static_cast<std::size_t>(batch.num_jets() * models::num_outputs(model.config));
    outputs.resize(size);
    grad_outputs.resize(size);
    pass->forward(model.parameters, model.buffers, batch.view(), dropout_seed, outputs,
                  shared ? shared->share(part) : models::BatchShare{});
    HeadTargets targets{batch.target, {}, batch.flavor, batch.weight, part.all_jets};
    if (!model.config.skip) targets.offset = batch.log_jec;
    const double value = head_loss(loss_options, targets, outputs, grad_outputs);
    if (shared) {
      shared->give_loss(value, part.stop);
      pass->backward(model.parameters, grad_outputs, gradient, shared->gradients_finished());
    } else if (std::isfinite(value)) {
      pass->backward(model.parameters, grad_outputs, gradient, {});
    }
    return value;
  }

  // Leaves the gradient in `gradient` and returns the loss.
  double differentiate(const edm::FeatureBatch& batch, std::uint64_t dropout_seed,
                       const BatchPart& part) {
    if (!is_plain()) return differentiate_head(batch, dropout_seed, part);
    NetworkCall call{*pass, model.buffers, batch.view(), dropout_seed, gradient, {}, {}};
    if (shared) {
      call.share = shared->share(part);
      call.finished = shared->gradients_finished();
    }
    auto* const target_data = const_cast<float*>(batch.target.data());  // only read
    const at::Tensor target = at::from_blob(target_data, {batch.num_jets()}, at::kFloat);
    const at::Tensor y = NetworkFunction::apply(parameters, &call);
    at::Tensor terms = detail::loss_terms(target, y);
    if (!batch.weight.empty()) {
      // Not divided by the sum of the batch's weights: the gradients of batches, and of workers,
      // then add up to that of the whole weighted loss.
      auto* const weight_data = const_cast<float*>(batch.weight.data());  // only read
      terms = terms.mul(at::from_blob(weight_data, {batch.num_jets()}, at::kFloat));
    }
    // The parts of all workers add up to the mean over the whole batch.
    const at::Tensor loss =
        shared ? terms.sum().div(static_cast<double>(part.all_jets)) : terms.mean();
    const double value = loss.item<double>();
    if (shared) {
      // The others wait for these gradients even where the loss is not finite.
      shared->give_loss(value, part.stop);
      loss.backward();
      return value;
    }
    if (std::isfinite(value)) loss.backward();
    return value;
  }

  // Makes the gradient what the update takes; returns whether it was beyond a bound.
  bool bound_gradient() {
    for (const ParameterRange& range : ranges) {
      if (range.frozen)
        std::fill(gradient.begin() + range.begin, gradient.begin() + range.end, 0.0F);
    }
    return clip.any() && train::clip(clip, gradient);
  }

  models::Model model;
  ClipOptions clip;
  std::vector<ParameterRange> ranges;
  HeadLossOptions loss_options;
  std::vector<float> outputs, grad_outputs;
  std::vector<float> gradient;
  std::unique_ptr<NetworkPass> pass;
  Optimizer optimizer;
  std::optional<SharedStep> shared;  // nothing for one that is alone
  at::Tensor parameters;             // shares the memory of model.parameters
};

Learner::Learner(models::Model start, const OptimizerOptions& options, const ClipOptions& clip,
                 double flavor_weight, workers::Communicator* workers,
                 const DistributedOptions& distributed, const NetworkPassFactory& pass) {
  if (pass && workers != nullptr)
    fail(ErrorCode::Unimplemented, "several workers train on CPUs only: leave the device away");
  // libtorch only touches one number a jet here; its own pool would spin on the cores that the
  // native pass needs.
  at::set_num_threads(1);
  impl_ = std::make_unique<Impl>(std::move(start), options, clip, flavor_weight, workers,
                                 distributed, pass);
}

Learner::~Learner() = default;

StepOutcome Learner::step(const edm::FeatureBatch& batch, std::uint64_t dropout_seed,
                          double learning_rate, const BatchPart& part) {
  StepOutcome outcome;
  outcome.stop = part.stop;
  outcome.loss = impl_->differentiate(batch, dropout_seed, part);
  if (impl_->shared) {
    const SharedStep::Total total = impl_->shared->finish();
    outcome.loss = total.loss;
    outcome.stop = total.stop;
  }
  outcome.loss_finite = std::isfinite(outcome.loss);
  if (!outcome.loss_finite) return outcome;
  outcome.gradient_finite = kernels::all_finite(impl_->gradient);
  if (!outcome.gradient_finite) return outcome;
  outcome.clipped = impl_->bound_gradient();
  impl_->optimizer.step(learning_rate);
  return outcome;
}

double Learner::gradient(const edm::FeatureBatch& batch, std::uint64_t dropout_seed,
                         std::span<float> gradient) {
  JETCAL_DCHECK(gradient.size() == impl_->gradient.size());
  const double loss = impl_->differentiate(batch, dropout_seed, {});
  std::copy(impl_->gradient.begin(), impl_->gradient.end(), gradient.begin());
  return loss;
}

std::span<const float> Learner::last_gradient() const noexcept { return impl_->gradient; }

const models::Model& Learner::model() const noexcept { return impl_->model; }

void Learner::share_buffers(const WorkerGroup& group) { group.broadcast(impl_->model.buffers); }

OptimizerState Learner::optimizer_state() const { return impl_->optimizer.state(); }

void Learner::restore(std::span<const float> parameters, std::span<const float> buffers,
                      const OptimizerState& optimizer) {
  models::Model& model = impl_->model;
  if (parameters.size() != model.parameters.size() || buffers.size() != model.buffers.size()) {
    fail(ErrorCode::DataLoss, "the checkpoint holds ", parameters.size(), " parameters and ",
         buffers.size(), " buffers instead of ", model.parameters.size(), " and ",
         model.buffers.size());
  }
  impl_->optimizer.restore(optimizer);
  std::copy(parameters.begin(), parameters.end(), model.parameters.begin());
  std::copy(buffers.begin(), buffers.end(), model.buffers.begin());
}

}  // namespace jetcal::train
