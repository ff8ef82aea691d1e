// SPDX-License-Identifier: Apache-2.0
// Finds models in a repository folder and loads them.
#pragma once

#include <memory>
#include <vector>

#include "jetcal/engine/detail/model_version.h"
#include "jetcal/engine/engine.h"

namespace jetcal::engine::detail {

struct LoadedVersion {
  ModelState state;
  std::unique_ptr<ModelVersion> model;  ///< Empty when it is not ready.
};

/// Loads every model, by name and rising version. A failure is in the state of its model. Throws
/// NotFound when the repository is not a folder.
std::vector<LoadedVersion> load_repository(const EngineOptions& options);

}  // namespace jetcal::engine::detail
