// SPDX-License-Identifier: Apache-2.0
// Where the record batches of an Arrow IPC file lie, from its last bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace jetcal::data::detail {

/// Places one record batch in its file: the description first, its columns after it.
struct BatchPlace {
  std::int64_t offset = 0, description_bytes = 0, body_bytes = 0;
  std::int64_t bytes() const noexcept { return description_bytes + body_bytes; }
};

inline constexpr std::int64_t kFooterEnd = 10;  ///< Length of the footer, and "ARROW1".

/// Returns the size of the footer from the last kFooterEnd bytes of the file `name`, which has
/// `file_bytes`. Throws DataLoss when the file is truncated or no Arrow file.
std::int64_t footer_bytes(const std::string& name, std::span<const std::byte> end,
                          std::int64_t file_bytes);

/// Reads the places from a footer. Throws DataLoss when it makes no sense.
std::vector<BatchPlace> parse_footer(const std::string& name, std::span<const std::byte> footer,
                                     std::int64_t file_bytes);

}  // namespace jetcal::data::detail
