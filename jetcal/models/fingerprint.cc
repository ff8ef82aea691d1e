// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "jetcal/base/files.h"
#include "jetcal/models/model.h"

namespace jetcal::models {
namespace {

std::uint64_t hash_floats(std::span<const float> values, std::uint64_t seed) {
  // The count goes in first: moving a value from one tensor to the next must change the hash.
  const std::uint64_t count = values.size();
  seed = hash_bytes({reinterpret_cast<const char*>(&count), sizeof count}, seed);
  return hash_bytes({reinterpret_cast<const char*>(values.data()), values.size_bytes()}, seed);
}

}  // namespace

std::string fingerprint(const Model& model) {
  std::uint64_t hash = hash_bytes(to_json(model.config).dump());
  hash = hash_floats(model.parameters, hash);
  hash = hash_floats(model.buffers, hash);
  hash = hash_floats(model.standardisation.particle_mean, hash);
  hash = hash_floats(model.standardisation.particle_deviation, hash);
  hash = hash_floats(model.standardisation.jet_mean, hash);
  hash = hash_floats(model.standardisation.jet_deviation, hash);
  if (model.standardisation.has_bounds()) {  // models without keep the fingerprint they had
    hash = hash_floats(model.standardisation.particle_low, hash);
    hash = hash_floats(model.standardisation.particle_high, hash);
    hash = hash_floats(model.standardisation.jet_low, hash);
    hash = hash_floats(model.standardisation.jet_high, hash);
  }
  if (!model.calibration.empty()) hash = hash_floats(calibration_values(model.calibration), hash);
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(hash));
  return digits.data();
}

}  // namespace jetcal::models
