// SPDX-License-Identifier: Apache-2.0
// Asks a server of the Open Inference Protocol v2 (jetcal, Triton, KServe) over HTTP: the client
// library's front door.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "jetcal/client/client_options.h"
#include "jetcal/client/infer_message.h"

namespace jetcal::client {

/// What a client has done since it was made.
struct ClientCounts {
  std::int64_t requests = 0;  ///< Asked for by the caller.
  std::int64_t attempts = 0;  ///< Sent, or tried to.
  std::int64_t refused = 0;   ///< Attempts that the server refused for now (429, 502, 503).
  std::int64_t broken = 0;    ///< Attempts that got no connection, or lost it.
  std::int64_t paused_ms = 0;
};

/// What a model is loaded from, when that is not its folder in the repository.
struct ModelSource {
  std::string config_json;                   ///< ModelConfig as JSON; empty: the folder's.
  std::map<std::string, std::string> files;  ///< Contents by path, such as 1/model.onnx.
};

/// Keeps up to options.connections connections alive and shares them between threads: every method
/// may be called by any thread at any time, and waits for a free connection.
///
/// What is tried again, with pauses that grow (back_off.h), until retries or the deadline are used
/// up: a refusal that says "not now" (429, 502, 503; Retry-After is obeyed), a connection that
/// cannot be made, and one that breaks while a request is under way that is safe to repeat
/// (everything but load() and unload(), which are not repeated after a refusal either).
///
/// Errors are one sentence with the server's own text. Codes: InvalidArgument (400 and the like),
/// NotFound (404), FailedPrecondition (401, 403, a certificate that is not trusted), Unavailable
/// (refused or unreachable to the end), DeadlineExceeded (also 504), Unimplemented (501), DataLoss
/// (the reply is not what the protocol says), Cancelled (a stop signal came in a pause), Internal.
class Client {
 public:
  /// Connects to nobody yet. Throws as validate(options), NotFound for a token file that is not
  /// there, FailedPrecondition for an environment variable that is not set.
  explicit Client(const ClientOptions& options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const ClientOptions& options() const noexcept;
  ClientCounts counts() const;

  /// Tell whether the server lives, is ready, or has the model ready. An unknown model is not
  /// ready. Ask once, without retries.
  bool live();
  bool ready();
  bool model_ready(const std::string& model, const std::string& version = "");

  /// Return the server's documents as it sends them.
  nlohmann::ordered_json server_metadata();
  nlohmann::ordered_json model_metadata(const std::string& model, const std::string& version = "");
  nlohmann::ordered_json model_config(const std::string& model, const std::string& version = "");
  /// Of every model, when the name is empty.
  nlohmann::ordered_json statistics(const std::string& model = "", const std::string& version = "");
  nlohmann::ordered_json repository_index(bool ready_only = false);

  /// Loads a model, or loads it again. Unload takes it out of service.
  void load(const std::string& model, const ModelSource& source = {});
  void unload(const std::string& model);

  InferReply infer(const InferRequest& request);
  /// Sends a body that encode() made, and returns the reply as it came.
  struct RawReply;
  RawReply infer(const std::string& model, const std::string& version,
                 const EncodedRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The reply's bytes, whose first json_length are JSON.
struct Client::RawReply {
  std::string body;
  std::optional<std::size_t> json_length;
  InferReply decode() const { return client::decode(body, json_length); }
};

}  // namespace jetcal::client
