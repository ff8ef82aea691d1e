// SPDX-License-Identifier: Apache-2.0
// Reads one number per jet from a branch, such as the one that jetcal predict adds or a regression
// that NanoAOD stores.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace jetcal::data {

/// Reads the branch (RNTuple field, Parquet column) `branch` of the tree that RootJetReader(path,
/// tree) reads: one number for each of its jets, in the same order, whatever the numeric type.
///
/// The branch holds one number per entry of a JetNTuple, a list with one per jet of NanoAOD.
/// Throws InvalidArgument (no such branch, not numeric, a number per event), DataLoss (unreadable,
/// or a list of another length than the jets) and what RootJetReader throws, naming file and
/// branch.
std::vector<float> read_branch(const std::filesystem::path& path, const std::string& tree,
                               const std::string& branch);

}  // namespace jetcal::data
