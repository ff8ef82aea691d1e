// SPDX-License-Identifier: Apache-2.0
// Copies a ROOT tree and adds one branch: how corrected jets go back to where they came from.
#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace jetcal::data {

/// Writes `output` with a copy of the TTree that RootJetReader(input, tree) would read (its highest
/// cycle, every branch under its name and leaf name, in its folder) and one more float branch.
///
/// `values` holds one number per jet in the order of RootJetReader: one per entry of a JetNTuple
/// (branch `name`), or one per jet of every event of a PFNano (branch `name[nJet]`). Only the tree
/// is copied; other objects of the input are left out. The output appears completely or not at all.
/// Throws InvalidArgument when the number of values is not that of the jets, AlreadyExists when the
/// tree has a branch of that name, Unimplemented for an RNTuple, ResourceExhausted on a full disk,
/// and what RootJetReader throws.
void write_with_branch(const std::filesystem::path& input, const std::string& tree,
                       const std::filesystem::path& output, const std::string& name,
                       std::span<const float> values);

}  // namespace jetcal::data
