// SPDX-License-Identifier: Apache-2.0
// Objects as files below a folder.
#pragma once

#include <filesystem>
#include <memory>

#include "jetcal/store/object_store.h"

namespace jetcal::store::detail {

/// Opens a folder, which is made with the first object.
std::unique_ptr<ObjectStore> open_folder(const std::filesystem::path& folder);

}  // namespace jetcal::store::detail
