// SPDX-License-Identifier: Apache-2.0
// Names and kinds of the fields of Triton's ModelConfig, and their translation to JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "jetcal/engine/detail/text_format.h"

namespace jetcal::engine::detail {

/// Turns the parsed text into JSON: repeated fields to arrays, maps to objects. Throws as
/// parse_config.
nlohmann::ordered_json config_to_json(const TextMessage& message, const std::string& source);

/// Holds a ModelConfig that came as JSON against the same schema: unknown fields and wrong kinds
/// are errors, whole numbers may be texts, as protobuf writes them. Throws as parse_config, without
/// lines.
nlohmann::ordered_json check_config_json(const nlohmann::ordered_json& document,
                                         const std::string& source);

}  // namespace jetcal::engine::detail
