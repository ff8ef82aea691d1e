// SPDX-License-Identifier: Apache-2.0
// Copies a file of jets and adds one branch: how corrected jets go back to where they came from.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace jetcal::data {

/// Writes `output` with a copy of the TTree that RootJetReader(input, tree) would read (its highest
/// cycle, every branch under its name and leaf name, in its folder) and one more float branch.
///
/// `values` holds one number per jet in the order of RootJetReader: one per entry of a JetNTuple
/// (branch `name`), or one per jet of every event of NanoAOD (branch `name[nJet]`). Other objects
/// of the input come along, their highest cycles; the names of those that ROOT cannot copy, such as
/// an RNTuple, are returned. A Parquet file gets a column. The output appears completely or not at
/// all. Throws InvalidArgument when the number of values is not that of the jets, AlreadyExists
/// when the tree has a branch of that name, Unimplemented for an RNTuple, ResourceExhausted on a
/// full disk, and what RootJetReader throws.
std::vector<std::string> write_with_branch(const std::filesystem::path& input,
                                           const std::string& tree,
                                           const std::filesystem::path& output,
                                           const std::string& name, std::span<const float> values);

}  // namespace jetcal::data
