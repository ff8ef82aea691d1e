// SPDX-License-Identifier: Apache-2.0
// Jets as a JSON document, for those who have neither ROOT nor shards.
#pragma once

#include <string_view>

#include "jetcal/edm/features.h"

namespace jetcal::client {

/// Reads a list of jets, or an object with that list as `jets`. A jet is an object with `particles`
/// (a list of particles, each the list of its particle_feature_names()) and `features` (the list of
/// its jet_feature_names()). Throws InvalidArgument naming the jet and what is wrong with it.
edm::FeatureBatch parse_jets(std::string_view json, const edm::InputOptions& inputs);

}  // namespace jetcal::client
