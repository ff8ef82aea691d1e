// SPDX-License-Identifier: Apache-2.0
// Runs the models of a repository: loads versions, queues requests, infers, counts. It knows no
// protocol.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/base/cancellation.h"
#include "jetcal/base/error.h"
#include "jetcal/engine/statistics.h"
#include "jetcal/engine/tensor.h"

namespace jetcal::engine {

/// Who decides which models are loaded.
enum class ControlMode {
  None,      ///< All of the repository, once.
  Poll,      ///< All of the repository, as it changes.
  Explicit,  ///< Those that load() names, and EngineOptions::load_models at the start.
};

struct EngineOptions {
  /// Triton layout: NAME/config.pbtxt, NAME/VERSION/model.onnx and, for jetcal's own networks,
  /// NAME/VERSION/model.jetcal. A folder, or s3://bucket/prefix: its models are copied into
  /// `repository_cache` (empty: a folder that goes with the engine), each as a whole.
  std::filesystem::path repository, repository_cache = {};
  /// Threads of ONNX Runtime a model; 0 means every usable core. The native engine uses
  /// parallel_for.
  int onnx_threads = 0;
  /// Requests a model may hold in its queue; one more fails with ResourceExhausted. 0 means no
  /// limit.
  std::int64_t max_queue_size = 0;
  ControlMode control = ControlMode::None;
  std::chrono::milliseconds poll_interval{15000};
  std::vector<std::string> load_models = {};  ///< With ControlMode::Explicit; "*" is all.
  /// Elements of the inputs of one batch of several requests: bounds memory, and how long one model
  /// keeps the others waiting.
  std::int64_t max_batch_elements = std::int64_t{1} << 25;
};

/// Says in what state a model version is.
struct ModelState {
  std::string name, version;
  bool ready = false;
  std::string reason;  ///< Why it is not ready, or why ONNX Runtime runs what has native weights.
  std::string engine;  ///< "native" or "onnxruntime"; empty when it is not ready.
};

struct ModelMetadata {
  std::string name;
  std::vector<std::string> versions;        ///< Ready versions, rising.
  std::string platform;                     ///< As in config.pbtxt, e.g. "onnxruntime_onnx".
  std::vector<TensorSpec> inputs, outputs;  ///< Shapes include the batch dimension as -1.
};

struct InferRequest {
  std::string model;
  std::string version;  ///< Empty: the highest ready one.
  std::string id;
  std::vector<TensorView> inputs;    ///< The bytes must live until the reply.
  std::vector<std::string> outputs;  ///< Empty: all.
  std::uint64_t priority = 0;        ///< 1 is the highest level; 0 the model's default one.
  std::uint64_t timeout_us = 0;      ///< In the queue; 0: the model's.
  /// Raised when nobody waits for the answer any more. shared: with the client's connection
  std::shared_ptr<Cancellation> cancellation = nullptr;
  /// Lets submit() itself do work of at most this long, by what earlier requests took, where the
  /// model is idle: for threads that would only sleep until a worker has done it. 0: no work.
  std::chrono::nanoseconds run_here_within{0};
};

/// What a load request brings with it.
struct LoadOverride {
  std::string config;  ///< A ModelConfig as JSON, instead of config.pbtxt.
  /// Bytes by path below the model's folder ("1/model.onnx"), instead of the folder's files.
  std::map<std::string, std::string> files;
};

struct InferReply {
  std::string model, version, id;
  std::vector<Tensor> outputs;  ///< In the order of the model.
};

/// Loads the models of a repository and answers requests for them. Thread-safe.
///
/// Each model version has a queue and a worker thread for each instance. A model is replaced while
/// requests go on: those that its old version has taken are answered by it.
class Engine {
 public:
  using Callback = std::function<void(Result<InferReply>)>;

  /// Loads the repository. A model that cannot be loaded is listed as not ready with its reason.
  /// Throws NotFound when the repository is not a folder, and what store::ObjectStore does when an
  /// object store cannot be read and the cache has nothing of it.
  explicit Engine(const EngineOptions& options);
  ~Engine();  ///< Drains.

  /// Looks at the repository and loads what has changed, as ControlMode::Poll does from time to
  /// time.
  void poll();

  /// Lists every model version found, by name and version; a folder without a valid version has an
  /// empty version.
  std::vector<ModelState> models() const;

  /// Tells whether a model (any version when `version` is empty) can be asked; false for an unknown
  /// one and while draining.
  bool ready(const std::string& model, const std::string& version = "") const;
  /// Tells whether every model is ready and the engine is not draining.
  bool ready() const;

  /// NotFound for an unknown model or version, Unavailable for one that did not load.
  Result<ModelMetadata> metadata(const std::string& model, const std::string& version = "") const;
  /// config.pbtxt with the names of Triton's ModelConfig, defaults filled in. Codes as metadata().
  Result<nlohmann::ordered_json> config(const std::string& model,
                                        const std::string& version = "") const;
  /// Of one version, of every version of a model, or of all models (empty name). Codes as
  /// metadata().
  Result<std::vector<ModelStatistics>> statistics(const std::string& model = "",
                                                  const std::string& version = "") const;

  /// Infers and waits. InvalidArgument for inputs that do not fit the model, codes of metadata(),
  /// ResourceExhausted for a full queue, Unavailable while draining, Internal when the network
  /// fails.
  Result<InferReply> infer(InferRequest request);
  /// Infers without waiting: checks and queues, then `done` runs exactly once, on the model's
  /// worker thread or, for a request that is refused or run here, on this one. It must not throw
  /// nor call drain().
  void submit(InferRequest request, Callback done);
  /// Refuses a request of which only model and version are known, as submit() would at this moment:
  /// counts it and returns ResourceExhausted when the queue is full; else nothing. For callers that
  /// save the work of reading what would be refused.
  std::optional<Error> refuse_if_full(const std::string& model, const std::string& version = "");

  /// Loads a model anew, or a new one, while requests go on; Unavailable unless the control mode is
  /// explicit. Returns nothing when it is ready.
  std::optional<Error> load(const std::string& model, const LoadOverride& override = {});
  /// Takes a model out of service; requests that it has are answered. Codes as load(), and
  /// NotFound.
  std::optional<Error> unload(const std::string& model);

  /// Refuses new requests and returns when the queued ones are answered.
  void drain();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jetcal::engine
