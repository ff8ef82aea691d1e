// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/jet_client.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"
#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/ragged_batch.h"
#include "jetcal/engine/sample_jets.h"

namespace jetcal::client {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kModeParameter = "jetcal_input_mode";
constexpr std::string_view kFeaturesParameter = "jetcal_features";
constexpr std::string_view kTargetParameter = "jetcal_target";
constexpr const char* kOutputName = "output";
constexpr const char* kResolutionName = "resolution";
constexpr const char* kPointsInput = "pf_points";
constexpr std::array kForms{std::string_view("auto"), std::string_view("ragged"),
                            std::string_view("padded")};

using Names = std::vector<std::string>;

Names sorted_names(const ordered_json& metadata, const char* kind) {
  Names names;
  for (const ordered_json& tensor : metadata.value(kind, ordered_json::array()))
    names.push_back(tensor.is_object() ? tensor.value("name", "") : "");
  std::sort(names.begin(), names.end());
  return names;
}

bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Returns the highest version that the server names; empty when it names none.
std::string highest_version(const ordered_json& metadata) {
  std::string best;
  std::int64_t highest = -1;
  for (const ordered_json& version : metadata.value("versions", ordered_json::array())) {
    if (!version.is_string()) continue;
    const auto text = version.get<std::string>();
    const auto number = parse_number<std::int64_t>(text);
    if (!number || *number <= highest) continue;
    highest = *number;
    best = text;
  }
  return best;
}

// Finds the network whose inputs these are; false when they are no network's.
bool find_network(const Names& inputs, ServedNetwork& served) {
  if (contains(inputs, engine::kCountsInput)) {  // a model that knows the ragged form alone
    served.with_points = contains(inputs, kPointsInput);
    served.network = served.with_points ? models::Network::ParticleNet : models::Network::Pfn;
    served.ragged = true;
    Names wanted{"jet_features", std::string(engine::kCountsInput), "pf_features"};
    if (served.with_points) wanted.emplace_back(kPointsInput);
    return inputs == wanted;
  }
  for (const models::Network network : {models::Network::Pfn, models::Network::ParticleNet}) {
    Names wanted;
    for (const engine::TensorSpec& spec : engine::network_inputs(network))
      wanted.push_back(spec.name);
    std::sort(wanted.begin(), wanted.end());
    if (inputs != wanted) continue;
    served.network = network;
    return true;
  }
  return false;
}

void read_parameters(const ordered_json& config, ServedNetwork& served) {
  const ordered_json parameters = config.value("parameters", ordered_json::object());
  const auto text = [&parameters](std::string_view name) -> std::optional<std::string> {
    const ordered_json entry = parameters.value(std::string(name), ordered_json::object());
    const auto found = entry.find("string_value");
    if (found == entry.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
  };
  if (const auto features = text(kFeaturesParameter))
    served.inputs.features = edm::parse_feature_set(*features);
  if (const auto target = text(kTargetParameter))
    served.inputs.reference = edm::parse_reference(*target);
  if (const auto mode = text(kModeParameter)) served.mode = edm::parse_input_mode(*mode);
}

// One jet without padding is answered, or refused as a wrong request.
bool takes_ragged(Client& client, ServedNetwork network) {
  if (client.server_metadata().value("name", "") != "jetcal") return false;
  const edm::FeatureBatch jet = engine::sample_jets(1, 2, 2, 1, network.inputs);
  std::array<float, 1> y{};
  network.ragged = true;
  try {
    predict(client, network, jet.view(), y);
    return true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::InvalidArgument) throw;
    return false;
  }
}

engine::Tensor points_of(const edm::FeatureView& features) {
  engine::Tensor tensor;
  tensor.name = kPointsInput;
  tensor.shape = {features.num_particles(), edm::kNumPointCoordinates};
  tensor.data.resize(features.points.size_bytes());
  if (!features.points.empty())
    std::memcpy(tensor.data.data(), features.points.data(), tensor.data.size());
  return tensor;
}

std::vector<engine::Tensor> tensors_of(const ServedNetwork& network,
                                       const edm::FeatureView& features) {
  if (network.ragged) {
    std::vector<engine::Tensor> tensors = engine::make_ragged(features);
    if (network.with_points) tensors.push_back(points_of(features));
    return tensors;
  }
  std::int64_t longest = 1;
  for (std::int64_t j = 0; j < features.num_jets(); ++j)
    longest = std::max(longest, features.offsets[j + 1] - features.offsets[j]);
  return engine::pad(features, longest, network.network);
}

}  // namespace

std::string_view jet_form_name(JetForm form) noexcept {
  return kForms[static_cast<std::size_t>(form)];
}

JetForm parse_jet_form(std::string_view name) {
  for (std::size_t i = 0; i < kForms.size(); ++i) {
    if (kForms[i] == name) return static_cast<JetForm>(i);
  }
  fail(ErrorCode::InvalidArgument, "there is no form '", name, "' of jets: auto, ragged or padded");
}

ServedNetwork describe(Client& client, const std::string& model, const std::string& version,
                       JetForm form) {
  ServedNetwork served;
  served.name = model;
  const ordered_json metadata = client.model_metadata(model, version);
  served.version = version.empty() ? highest_version(metadata) : version;
  const Names outputs = sorted_names(metadata, "outputs");
  served.with_resolution = outputs == Names{kOutputName, kResolutionName};
  if (!find_network(sorted_names(metadata, "inputs"), served) ||
      (outputs != Names{kOutputName} && !served.with_resolution))
    fail(ErrorCode::InvalidArgument, "model '", model, "' of ", client.options().url,
         " is no jet correction: its tensors have other names");
  read_parameters(client.model_config(model, served.version), served);
  if (served.ragged && form == JetForm::Padded)
    fail(ErrorCode::InvalidArgument, "model '", model, "' of ", client.options().url,
         " takes no padded jets");
  if (form == JetForm::Auto && !served.ragged) served.ragged = takes_ragged(client, served);
  if (form == JetForm::Ragged) served.ragged = true;
  return served;
}

void predict(Client& client, const ServedNetwork& network, const edm::FeatureView& features,
             std::span<float> y, std::span<float> resolution, TensorCoding coding) {
  InferRequest request;
  request.model = network.name;
  request.version = network.version;
  request.inputs = tensors_of(network, features);
  request.outputs = {kOutputName};
  if (!resolution.empty()) request.outputs.emplace_back(kResolutionName);
  request.coding = coding;
  const InferReply reply = client.infer(request);
  reply.copy(kOutputName, y);
  if (!resolution.empty()) reply.copy(kResolutionName, resolution);
}

}  // namespace jetcal::client
