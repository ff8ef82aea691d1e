// SPDX-License-Identifier: Apache-2.0
// A backend without networks: its model "echo" answers each input as an output of the same name.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "jetcal/server/model_backend.h"

namespace jetcal::server {

class FakeBackend : public ModelBackend {
 public:
  bool hold = false;  // keep requests until release()
  bool is_ready = true;
  bool full = false;     // the queue
  bool control = false;  // load and unload are allowed
  std::vector<std::pair<std::string, engine::LoadOverride>> loaded;
  bool misaligned = false;  // an input's bytes were not where its type can be read

  bool ready() const override { return is_ready; }
  bool ready(const std::string& model, const std::string& version) const override {
    return metadata(model, version).ok();
  }
  std::optional<Error> load(const std::string& model,
                            const engine::LoadOverride& override) override {
    if (!control) return Error(ErrorCode::Unavailable, "no model control");
    if (model == "unreadable") throw std::runtime_error("no such device");
    loaded.emplace_back(model, override);
    return std::nullopt;
  }
  std::optional<Error> unload(const std::string& model) override {
    if (!control) return Error(ErrorCode::Unavailable, "no model control");
    return unknown(model, "");
  }
  std::vector<engine::ModelState> models() const override {
    return {{"broken", "", false, "no valid version", ""}, {"echo", "3", true, "", "native"}};
  }
  Result<engine::ModelMetadata> metadata(const std::string& model,
                                         const std::string& version) const override {
    if (model == "broken") return Error(ErrorCode::Unavailable, "model 'broken' is not ready");
    if (const auto error = unknown(model, version)) return *error;
    return engine::ModelMetadata{
        "echo", {"3"}, "fake", {{"x", engine::DataType::Fp32, {-1, -1}}}, {}};
  }
  Result<nlohmann::ordered_json> config(const std::string& model,
                                        const std::string& version) const override {
    if (const auto error = unknown(model, version)) return *error;
    return nlohmann::ordered_json{{"name", "echo"}, {"max_batch_size", 8}};
  }
  Result<std::vector<engine::ModelStatistics>> statistics(
      const std::string& model, const std::string& version) const override {
    if (!model.empty()) {
      if (const auto error = unknown(model, version)) return *error;
    }
    engine::ModelStatistics statistics;
    statistics.name = "echo";
    statistics.version = "3";
    statistics.inference_count = 12;
    statistics.execution_count = 5;
    statistics.success = {4, 4000000};
    statistics.fail = {1, 10};
    statistics.batches = {{3, {4, 40}, {4, 400}, {4, 4}}};
    return std::vector{statistics};
  }
  void submit(engine::InferRequest request, engine::Engine::Callback done) override {
    if (const auto error = unknown(request.model, request.version)) {
      done(*error);
      return;
    }
    std::unique_lock lock(mutex_);
    if (hold) {
      held_.emplace_back(std::move(request), std::move(done));
      arrived_.notify_all();
      return;
    }
    lock.unlock();
    done(answer(request));
  }

  std::optional<Error> refuse_if_full(const std::string& model,
                                      const std::string& version) override {
    if (!full || unknown(model, version)) return std::nullopt;
    return Error(ErrorCode::ResourceExhausted, "Exceeds maximum queue size");
  }

  void release() {
    std::vector<std::pair<engine::InferRequest, engine::Engine::Callback>> held;
    {
      const std::lock_guard lock(mutex_);
      held.swap(held_);
    }
    for (auto& [request, done] : held) done(answer(request));
  }
  bool wait_for_held() {
    std::unique_lock lock(mutex_);
    return arrived_.wait_for(lock, std::chrono::seconds(5), [this] { return !held_.empty(); });
  }

 private:
  static std::optional<Error> unknown(const std::string& model, const std::string& version) {
    if (model != "echo") return Error(ErrorCode::NotFound, "unknown model '" + model + "'");
    if (!version.empty() && version != "3")
      return Error(ErrorCode::NotFound, "model 'echo' has no version " + version);
    return std::nullopt;
  }
  Result<engine::InferReply> answer(const engine::InferRequest& request) {
    engine::InferReply reply{request.model, "3", request.id, {}};
    for (const engine::TensorView& input : request.inputs) {
      const std::size_t size = std::max<std::size_t>(engine::data_type_size(input.type), 1);
      misaligned |= reinterpret_cast<std::uintptr_t>(input.data.data()) % size != 0;
      if (input.name == "explode") return Error(ErrorCode::Internal, "the network failed");
      if (input.name == "full")
        return Error(ErrorCode::ResourceExhausted, "Exceeds maximum queue size");
      const auto& names = request.outputs;
      if (!names.empty() && std::find(names.begin(), names.end(), input.name) == names.end())
        continue;
      reply.outputs.push_back(
          {input.name, input.type, input.shape, {input.data.begin(), input.data.end()}});
    }
    return reply;
  }
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::pair<engine::InferRequest, engine::Engine::Callback>> held_;
};

}  // namespace jetcal::server
