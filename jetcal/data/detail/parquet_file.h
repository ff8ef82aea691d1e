// SPDX-License-Identifier: Apache-2.0
// Jets in Parquet: the columns of a shard, read row by row, and copied with one more column.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "jetcal/data/root_jet_reader.h"

namespace jetcal::data::detail {

/// Tells whether a file begins as Parquet files do.
bool is_parquet(const std::filesystem::path& path);

/// Opens the jets of a file and tells their number. Rows must be read in order. Throws
/// InvalidArgument naming a column that is missing, empty in places or not numeric, and DataLoss
/// for a damaged file.
std::unique_ptr<RootJetReader::Rows> open_parquet_rows(const std::string& path,
                                                       std::int64_t& num_rows);

/// Reads one numeric column. Throws as open_parquet_rows does.
std::vector<float> read_parquet_column(const std::string& path, const std::string& column);

/// Writes `output` with every column of `input` and one more. Throws InvalidArgument when `values`
/// are not as many as the rows, AlreadyExists when there is such a column.
void write_parquet_with_column(const std::filesystem::path& input,
                               const std::filesystem::path& output, const std::string& column,
                               std::span<const float> values);

}  // namespace jetcal::data::detail
