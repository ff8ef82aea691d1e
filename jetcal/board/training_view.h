// SPDX-License-Identifier: Apache-2.0
// What the page shows of a training: its epochs as they come, its result, whether it goes on.
#pragma once

#include <filesystem>

#include "jetcal/board/run_shelf.h"

namespace jetcal::board {

/// One line: state (running, finished, paused), number of epochs, last and best losses, result.
Json training_line(const std::filesystem::path& folder);

/// Every epoch, the result, and the end of the metrics file.
Json training_document(const std::filesystem::path& folder);

/// Tells whether a process of this machine holds a lock on the file, without touching it.
bool is_held(const std::filesystem::path& file);

}  // namespace jetcal::board
