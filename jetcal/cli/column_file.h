// SPDX-License-Identifier: Apache-2.0
// Columns of numbers and texts by name, from CSV or Parquet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace jetcal::cli {

/// Holds the columns that were asked for and found.
struct ColumnFile {
  std::int64_t rows = 0;
  std::map<std::string, std::vector<double>> numbers;
  std::map<std::string, std::vector<std::string>> texts;
};

/// Reads the columns of a file whose names are in `numbers` or `texts`; the others are left alone.
///
/// CSV has a first line of names; .parquet is Parquet. A column that is not there is left out.
/// Throws NotFound, DataLoss for a damaged file, InvalidArgument naming row and column for a value
/// that is missing or no number.
ColumnFile read_columns(const std::filesystem::path& path, const std::vector<std::string>& numbers,
                        const std::vector<std::string>& texts);

}  // namespace jetcal::cli
