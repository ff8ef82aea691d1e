// SPDX-License-Identifier: Apache-2.0
// Prints coverage and closure of a trained network.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace jetcal::cli {

/// Prints the tables of train::performance_json() for people.
void print_performance(const nlohmann::ordered_json& performance);

}  // namespace jetcal::cli
