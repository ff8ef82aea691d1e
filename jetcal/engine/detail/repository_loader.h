// SPDX-License-Identifier: Apache-2.0
// Finds models in a repository folder and loads one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "jetcal/engine/detail/model_version.h"
#include "jetcal/engine/engine.h"

namespace jetcal::engine::detail {

struct LoadedVersion {
  ModelState state;
  std::shared_ptr<ModelVersion> model;  ///< Empty when it is not ready. shared: with requests
};

/// Loads the versions of one model that its policy names, rising; warms them up. A failure is in
/// the state of its version; without any version there is one state without version. A `config`
/// that is not empty is a ModelConfig as JSON that takes the place of config.pbtxt.
std::vector<LoadedVersion> load_model(const std::filesystem::path& folder, const std::string& name,
                                      const std::string& config, const EngineOptions& options,
                                      DeadlineTimer& timer);

/// Lists the folders of a repository that may be models, in order. Throws NotFound when it is not a
/// folder.
std::vector<std::string> model_folders(const std::filesystem::path& repository);

}  // namespace jetcal::engine::detail
