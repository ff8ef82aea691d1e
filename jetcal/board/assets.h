// SPDX-License-Identifier: Apache-2.0
// The files of the page, which the program carries.
#pragma once

#include <span>
#include <string_view>

namespace jetcal::board {

/// One file as a browser asks for it.
struct Asset {
  std::string_view name;  ///< e.g. "board.css".
  std::string_view bytes;
};

/// All files of page/, without the chart library, which the room hpo carries.
std::span<const Asset> assets() noexcept;

/// MIME type by the end of a name; "application/octet-stream" where it says nothing.
std::string_view content_type(std::string_view name) noexcept;

}  // namespace jetcal::board
