// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/jet_document.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/client/detail/bounded_json.h"

namespace jetcal::client {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kFirstPoint = 2;  // PF_dEta and PF_dPhi among the features of a particle

void append_numbers(const ordered_json& list, std::int64_t count, std::size_t jet, const char* what,
                    std::vector<float>& to) {
  if (!list.is_array() || std::ssize(list) != count)
    fail(ErrorCode::InvalidArgument, "jet ", jet, " needs ", count, " numbers as ", what);
  for (const ordered_json& value : list) {
    const double number = value.is_number() ? value.get<double>() : NAN;
    if (!std::isfinite(static_cast<float>(number)))
      fail(ErrorCode::InvalidArgument, "jet ", jet, " has ", value.dump().substr(0, 40), " among ",
           what, ", which is no finite number");
    to.push_back(static_cast<float>(number));
  }
}

}  // namespace

edm::FeatureBatch parse_jets(std::string_view json, const edm::InputOptions& inputs) {
  ordered_json document = detail::parse_json(json);
  if (document.is_object() && document.contains("jets")) document = ordered_json(document["jets"]);
  if (!document.is_array()) fail(ErrorCode::InvalidArgument, "this is no list of jets in JSON");
  edm::FeatureBatch batch;
  batch.particle_features = edm::num_particle_features(inputs);
  batch.jet_features = edm::num_jet_features(inputs);
  for (std::size_t j = 0; j < document.size(); ++j) {
    const ordered_json& jet = document[j];
    if (!jet.is_object() || !jet.contains("particles") || !jet["particles"].is_array() ||
        !jet.contains("features"))
      fail(ErrorCode::InvalidArgument, "jet ", j, " is no object with particles and features");
    for (const ordered_json& particle : jet["particles"]) {
      append_numbers(particle, batch.particle_features, j, "features of a particle",
                     batch.particles);
      const std::size_t at =
          batch.particles.size() - static_cast<std::size_t>(batch.particle_features) + kFirstPoint;
      for (std::size_t i = 0; i < edm::kNumPointCoordinates; ++i)
        batch.points.push_back(batch.particles[at + i]);
    }
    append_numbers(jet["features"], batch.jet_features, j, "features of the jet", batch.jets);
    batch.offsets.push_back(batch.offsets.back() + std::ssize(jet["particles"]));
    batch.target.push_back(0);
  }
  return batch;
}

}  // namespace jetcal::client
