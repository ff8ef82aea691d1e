// SPDX-License-Identifier: Apache-2.0
// Figures of a run: response and resolution of the validation jets, and the learning-rate test.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "jetcal/train/lr_finder.h"
#include "jetcal/train/responses.h"

namespace jetcal::cli {

/// Draws median response and resolution before and after the network, barrel and endcap, with the
/// figures of jetcal analyze; returns PNG files by their tags. Not thread-safe.
std::vector<std::pair<std::string, std::string>> draw_responses(
    const train::JetResponses& responses);

/// Draws the losses over the rates into folder/lr_finder.png, .pdf and .svg.
void draw_lr_finder(const train::LrFinderResult& result, const std::filesystem::path& folder);

}  // namespace jetcal::cli
