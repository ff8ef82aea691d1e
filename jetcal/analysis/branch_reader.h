// SPDX-License-Identifier: Apache-2.0
// Reads one number per jet from a branch of a ROOT tree, such as the one that jetcal predict adds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace jetcal::analysis {

/// Reads the branch `branch` of the TTree `tree` (with its folder and ";cycle") of a file, one
/// value after the other: one per entry of a number, as many as the entry has of an array.
///
/// Throws NotFound (no such file), DataLoss (truncated or corrupt) or InvalidArgument (no such tree
/// or branch, or no branch of numbers), naming file and branch.
std::vector<float> read_branch(const std::filesystem::path& path, const std::string& tree,
                               const std::string& branch);

}  // namespace jetcal::analysis
