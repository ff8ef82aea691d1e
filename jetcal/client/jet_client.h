// SPDX-License-Identifier: Apache-2.0
// Asks a server for jet corrections: which network it has, what that wants, and its predictions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "jetcal/client/client.h"
#include "jetcal/edm/features.h"
#include "jetcal/models/model_config.h"

namespace jetcal::client {

/// How the jets of a request are written.
enum class JetForm {
  Auto,    ///< Ragged where the server takes it, else padded.
  Ragged,  ///< Particle after particle, with the number of particles of each jet (pf_counts).
  Padded,  ///< Every jet as long as the longest of the request, with pf_mask: any server.
};

/// Returns "auto", "ragged" or "padded".
std::string_view jet_form_name(JetForm form) noexcept;
/// Throws InvalidArgument for another name.
JetForm parse_jet_form(std::string_view name);

/// A jet correction network on a server.
struct ServedNetwork {
  std::string name, version;
  models::Network network = models::Network::Pfn;
  std::optional<edm::InputMode> mode;  ///< When its configuration says so.
  edm::InputOptions inputs;            ///< What else it wants; the mode is above.
  bool with_resolution = false;        ///< It has the output `resolution`.
  bool ragged = false;                 ///< How predict() writes its jets.
  bool with_points = false;            ///< Its ragged form has pf_points among its inputs.
};

/// Finds a model; its highest version when `version` is empty, so that all that follows asks one
/// network. With JetForm::Auto, a server of jetcal is asked for one jet without padding to see
/// whether the model takes it.
///
/// Throws as Client, and InvalidArgument when its tensors are not those of a jet correction.
ServedNetwork describe(Client& client, const std::string& model, const std::string& version = "",
                       JetForm form = JetForm::Auto);

/// Predicts y [J] and, unless it is empty, the resolution [J] with one request. Thread-safe. Throws
/// as Client.
void predict(Client& client, const ServedNetwork& network, const edm::FeatureView& features,
             std::span<float> y, std::span<float> resolution = {},
             TensorCoding coding = TensorCoding::Binary);

}  // namespace jetcal::client
