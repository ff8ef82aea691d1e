// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/engine.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "jetcal/engine/detail/model_repository.h"

namespace jetcal::engine {

using detail::LoadedVersion;
using detail::ModelVersion;

// An empty version is the newest.
static bool is_version(const std::string& text) {
  return text.size() < 19 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

struct Engine::Impl {
  explicit Impl(const EngineOptions& engine_options)
      : options(engine_options), repository(engine_options) {}

  const EngineOptions options;
  detail::ModelRepository repository;
  std::mutex mutex;  // of the two below
  std::condition_variable all_submitted;
  bool draining = false;
  std::int64_t submitting = 0;  // calls between their check of `draining` and their queue

  // The version asked for, or the highest ready one; NotFound and Unavailable as in engine.h. The
  // version lives as long as the caller holds it.
  Result<std::shared_ptr<ModelVersion>> find(const std::string& model,
                                             const std::string& version) const {
    if (!is_version(version))
      return Error(ErrorCode::InvalidArgument,
                   "failed to get model version from specified version string '" + version +
                       "', version should be an integral value > 0");
    const std::string wanted =
        version.substr(std::min(version.find_first_not_of('0'), version.size()));
    const auto snapshot = repository.snapshot();
    const LoadedVersion* match = nullptr;
    for (const LoadedVersion& loaded : snapshot) {  // versions of a model rise
      if (loaded.state.name != model) continue;
      if (!version.empty() && loaded.state.version != wanted && !loaded.state.version.empty())
        continue;
      if (match == nullptr || loaded.state.ready || !match->state.ready) match = &loaded;
    }
    const std::string which =
        version.empty() ? "'" + model + "'" : "'" + model + "' version " + version;
    if (match == nullptr)
      return Error(ErrorCode::NotFound, "Request for unknown model: " + which + " is not found");
    if (!match->state.ready)
      return Error(ErrorCode::Unavailable,
                   "Request for unavailable model: " + which + ": " + match->state.reason);
    return match->model;
  }

  bool enter() {
    const std::lock_guard lock(mutex);
    if (draining) return false;
    ++submitting;
    return true;
  }

  void leave() {
    const std::lock_guard lock(mutex);
    if (--submitting == 0) all_submitted.notify_all();
  }
};

Engine::Engine(const EngineOptions& options) : impl_(std::make_unique<Impl>(options)) {}

Engine::~Engine() { drain(); }

std::vector<ModelState> Engine::models() const {
  std::vector<ModelState> states;
  for (const LoadedVersion& loaded : impl_->repository.snapshot()) states.push_back(loaded.state);
  if (const auto problem = impl_->repository.problem()) {
    for (ModelState& state : states) {
      if (state.ready && state.reason.empty())
        state.reason = "in service; the repository cannot be read: " + *problem;
    }
  }
  if (impl_->options.control != ControlMode::Explicit) return states;
  // What could be loaded is listed too.
  for (const std::string& name : impl_->repository.model_names()) {
    const bool listed = std::any_of(states.begin(), states.end(),
                                    [&](const ModelState& state) { return state.name == name; });
    if (!listed) states.push_back({name, "", false, "not loaded", ""});
  }
  std::stable_sort(states.begin(), states.end(),
                   [](const ModelState& a, const ModelState& b) { return a.name < b.name; });
  return states;
}

bool Engine::ready(const std::string& model, const std::string& version) const {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->draining) return false;
  }
  return impl_->find(model, version).ok();
}

bool Engine::ready() const {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->draining) return false;
  for (const LoadedVersion& loaded : impl_->repository.snapshot()) {
    if (!loaded.state.ready && loaded.state.reason != detail::kUnloaded) return false;
  }
  return true;
}

Result<ModelMetadata> Engine::metadata(const std::string& model, const std::string& version) const {
  const auto found = impl_->find(model, version);
  if (!found.ok()) return found.error();
  const detail::ServedModelConfig& config = found.value()->config();
  ModelMetadata metadata{model, {}, config.platform, config.inputs, config.outputs};
  if (metadata.platform.empty()) metadata.platform = config.backend;
  if (config.max_batch_size > 0) {
    for (auto* specs : {&metadata.inputs, &metadata.outputs}) {
      for (TensorSpec& spec : *specs) spec.shape.insert(spec.shape.begin(), -1);
    }
  }
  for (const LoadedVersion& loaded : impl_->repository.snapshot()) {
    if (loaded.state.name == model && loaded.state.ready)
      metadata.versions.push_back(loaded.state.version);
  }
  return metadata;
}

Result<nlohmann::ordered_json> Engine::config(const std::string& model,
                                              const std::string& version) const {
  const auto found = impl_->find(model, version);
  if (!found.ok()) return found.error();
  return found.value()->config().to_json();
}

Result<std::vector<ModelStatistics>> Engine::statistics(const std::string& model,
                                                        const std::string& version) const {
  std::vector<ModelStatistics> statistics;
  if (!model.empty()) {
    const auto found = impl_->find(model, version);
    if (!found.ok() && found.error().code() != ErrorCode::NotFound) return found.error();
    if (!found.ok())
      return Error(ErrorCode::InvalidArgument,
                   version.empty()
                       ? "requested model '" + model + "' is not available"
                       : "requested model version is not available for model '" + model + "'");
  }
  const std::string wanted =
      version.substr(std::min(version.find_first_not_of('0'), version.size()));
  for (const LoadedVersion& loaded : impl_->repository.snapshot()) {
    const bool asked = (model.empty() || loaded.state.name == model) &&
                       (version.empty() || loaded.state.version == wanted);
    if (asked && loaded.state.ready) statistics.push_back(loaded.model->statistics());
  }
  return statistics;
}

// Each output once, in the order of the model; unknown ones stay, to be refused.
static void order_outputs(std::vector<std::string>& names, const std::vector<TensorSpec>& outputs) {
  if (names.size() < 2) return;
  const auto place = [&](const std::string& name) {
    return std::find_if(outputs.begin(), outputs.end(),
                        [&](const TensorSpec& spec) { return spec.name == name; });
  };
  std::stable_sort(names.begin(), names.end(),
                   [&](const std::string& a, const std::string& b) { return place(a) < place(b); });
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

static Error no_control(ControlMode mode) {
  // Triton speaks of polling in both cases.
  return {ErrorCode::Unavailable,
          std::string("explicit model load / unload is not allowed if polling is enabled") +
              (mode == ControlMode::None ? " (the model control mode is none)" : "")};
}

void Engine::submit(InferRequest request, Callback done) {
  const auto found = impl_->find(request.model, request.version);
  if (!found.ok()) {
    done(found.error());
    return;
  }
  order_outputs(request.outputs, found.value()->config().outputs);
  if (!impl_->enter()) {
    done(Error(ErrorCode::Unavailable, "the server is shutting down"));
    return;
  }
  found.value()->submit(std::move(request), std::move(done));
  impl_->leave();
}

std::optional<Error> Engine::refuse_if_full(const std::string& model, const std::string& version) {
  const auto found = impl_->find(model, version);
  return found.ok() ? found.value()->refuse_if_full() : std::nullopt;
}

Result<InferReply> Engine::infer(InferRequest request) {
  std::mutex mutex;
  std::condition_variable arrived;
  std::optional<Result<InferReply>> reply;
  submit(std::move(request), [&](Result<InferReply> result) {
    const std::lock_guard lock(mutex);  // held while notifying: the waiter owns the condition
    reply.emplace(std::move(result));
    arrived.notify_one();
  });
  std::unique_lock lock(mutex);
  arrived.wait(lock, [&] { return reply.has_value(); });
  return *std::move(reply);
}

std::optional<Error> Engine::load(const std::string& model, const LoadOverride& override) {
  if (impl_->options.control != ControlMode::Explicit) return no_control(impl_->options.control);
  return impl_->repository.load(model, override);
}

std::optional<Error> Engine::unload(const std::string& model) {
  if (impl_->options.control != ControlMode::Explicit) return no_control(impl_->options.control);
  return impl_->repository.unload(model);
}

void Engine::poll() {
  if (impl_->options.control != ControlMode::Explicit) impl_->repository.poll();
}

void Engine::drain() {
  {
    std::unique_lock lock(impl_->mutex);
    impl_->draining = true;
    impl_->all_submitted.wait(lock, [this] { return impl_->submitting == 0; });
  }
  impl_->repository.stop();
  impl_->repository.wait_until_idle();
}

}  // namespace jetcal::engine
