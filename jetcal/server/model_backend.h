// SPDX-License-Identifier: Apache-2.0
// What the protocol asks of whatever runs the models: engine::Engine, or a stand-in of a test.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "jetcal/engine/engine.h"

namespace jetcal::server {

/// The calls of engine::Engine that the protocol needs; see there. Thread-safe.
class ModelBackend {
 public:
  virtual ~ModelBackend() = default;
  virtual bool ready() const = 0;
  virtual bool ready(const std::string& model, const std::string& version) const = 0;
  virtual std::vector<engine::ModelState> models() const = 0;
  virtual Result<engine::ModelMetadata> metadata(const std::string& model,
                                                 const std::string& version) const = 0;
  virtual Result<nlohmann::ordered_json> config(const std::string& model,
                                                const std::string& version) const = 0;
  virtual Result<std::vector<engine::ModelStatistics>> statistics(
      const std::string& model, const std::string& version) const = 0;
  virtual void submit(engine::InferRequest request, engine::Engine::Callback done) = 0;
  virtual std::optional<Error> refuse_if_full(const std::string& model,
                                              const std::string& version) = 0;
  virtual std::optional<Error> load(const std::string& model,
                                    const engine::LoadOverride& override) = 0;
  virtual std::optional<Error> unload(const std::string& model) = 0;
};

/// Tells whether the first dimension of the tensors of a reply is the batch.
inline bool is_batched(const ModelBackend& backend, const engine::InferReply& reply) {
  const auto config = backend.config(reply.model, reply.version);
  return config.ok() && config.value().value("max_batch_size", 0) > 0;
}

/// Throws InvalidArgument when trace settings are asked for a model that does not exist; an empty
/// name is the server.
inline void check_trace_model(const ModelBackend& backend, const std::string& model) {
  if (model.empty()) return;
  for (const engine::ModelState& state : backend.models()) {
    if (state.name == model) return;
  }
  fail(ErrorCode::InvalidArgument, "Request for unknown model : ", model);
}

/// Hands every call to an engine, which must outlive it.
class EngineBackend final : public ModelBackend {
 public:
  explicit EngineBackend(engine::Engine& engine) : engine_(engine) {}
  bool ready() const override { return engine_.ready(); }
  bool ready(const std::string& model, const std::string& version) const override {
    return engine_.ready(model, version);
  }
  std::vector<engine::ModelState> models() const override { return engine_.models(); }
  Result<engine::ModelMetadata> metadata(const std::string& model,
                                         const std::string& version) const override {
    return engine_.metadata(model, version);
  }
  Result<nlohmann::ordered_json> config(const std::string& model,
                                        const std::string& version) const override {
    return engine_.config(model, version);
  }
  Result<std::vector<engine::ModelStatistics>> statistics(
      const std::string& model, const std::string& version) const override {
    return engine_.statistics(model, version);
  }
  void submit(engine::InferRequest request, engine::Engine::Callback done) override {
    engine_.submit(std::move(request), std::move(done));
  }
  std::optional<Error> refuse_if_full(const std::string& model,
                                      const std::string& version) override {
    return engine_.refuse_if_full(model, version);
  }
  std::optional<Error> load(const std::string& model,
                            const engine::LoadOverride& override) override {
    return engine_.load(model, override);
  }
  std::optional<Error> unload(const std::string& model) override { return engine_.unload(model); }

 private:
  engine::Engine& engine_;
};

}  // namespace jetcal::server
