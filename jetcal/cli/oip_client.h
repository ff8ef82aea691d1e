// SPDX-License-Identifier: Apache-2.0
// Asks a server of the Open Inference Protocol v2 (jetcal or Triton) for jet corrections, over
// HTTP.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "jetcal/edm/features.h"
#include "jetcal/models/model_config.h"

namespace jetcal::cli {

/// A jet correction network on a server.
struct ServedNetwork {
  std::string name, version;
  models::Network network = models::Network::Pfn;
  std::optional<edm::InputMode> mode;  ///< When its configuration says so.
  edm::InputOptions inputs;            ///< What else it wants; the mode is above.
  bool with_resolution = false;        ///< It has the output `resolution`.
};

/// Keeps one connection. A server that is busy (503) or cannot be reached is asked five times, with
/// pauses that double, before that is an error. Not thread-safe.
class OipClient {
 public:
  /// `url` is http://host:port or https://host:port. Throws InvalidArgument for another form.
  explicit OipClient(const std::string& url);
  ~OipClient();
  OipClient(const OipClient&) = delete;
  OipClient& operator=(const OipClient&) = delete;

  /// Finds a model; its highest version when `version` is empty.
  ///
  /// Throws NotFound for an unknown model, Unavailable when the server cannot be reached or the
  /// model is not ready, InvalidArgument when its tensors are not those of a jet correction.
  ServedNetwork describe(const std::string& model, const std::string& version);

  /// Predicts y [J] and, unless it is empty, the resolution [J] with one request, jets padded to
  /// the longest. Throws as describe(), and DataLoss for an answer that is not what the protocol
  /// says.
  void predict(const ServedNetwork& network, const edm::FeatureView& features, std::span<float> y,
               std::span<float> resolution = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jetcal::cli
