// SPDX-License-Identifier: Apache-2.0
// Writes a table of numbers, one row a jet, as ROOT or Parquet.
#pragma once

#include <filesystem>
#include <span>

#include "jetcal/data/number_column.h"

namespace jetcal::data {

/// Tells whether write_table() knows the ending of the name: .root or .parquet.
bool is_table_name(const std::filesystem::path& path);

/// Writes columns of the same length to a TTree `jets` or to Parquet, as the name ends: real
/// numbers as double, integers with 64 bits. The file appears completely or not at all. Throws
/// InvalidArgument for another ending, no column, or columns of different lengths, and
/// ResourceExhausted on a full disk.
void write_table(const std::filesystem::path& path, std::span<const NumberColumn> columns);

}  // namespace jetcal::data
