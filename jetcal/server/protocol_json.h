// SPDX-License-Identifier: Apache-2.0
// What the engine knows, as the protocol's JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "jetcal/engine/engine.h"

namespace jetcal::server {

nlohmann::ordered_json server_metadata_json();
nlohmann::ordered_json metadata_json(const engine::ModelMetadata& model);
/// The document of the statistics extension: {"model_stats":[...]}.
nlohmann::ordered_json statistics_json(std::span<const engine::ModelStatistics> models);
/// The list of the repository extension; only ready models when `only_ready`.
nlohmann::ordered_json index_json(std::span<const engine::ModelState> models, bool only_ready);

}  // namespace jetcal::server
