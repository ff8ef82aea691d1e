// SPDX-License-Identifier: Apache-2.0
// Small JetNTuple files and jets for tests of the data room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "jetcal/data/root_jet_reader.h"
#include "jetcal/edm/jet_columns.h"

namespace jetcal::data {

/// Makes `count` jets with 0 to 12 particles each; every number is representable as float.
edm::JetColumns make_jets(std::int64_t count, std::uint64_t seed);

/// Changes to a file that the tests ask for.
struct FixtureOptions {
  Storage storage = Storage::TTree;
  std::string folder = "AK4jets";  ///< Empty: the tree is at the top of the file.
  std::string skip_branch = {};    ///< Leaves this branch out.
  std::string wrong_branch = {};   ///< Writes this branch as an array of doubles.
  bool second_cycle = false;       ///< First writes a cycle with half of the jets.
};

/// Writes a file with the branches of a JetNTuple that the reader needs: leaf types as the producer
/// has them, PF_mass with its leaf cPF_mass.
void write_jet_ntuple(const std::filesystem::path& path, const edm::JetColumns& jets,
                      const FixtureOptions& options = {});

/// Says which candidates of its jets a NanoAOD file has.
enum class Candidates {
  None,
  PFNano,  ///< PFCands_* and JetPFCands_*
  Lean,    ///< PFCand_* and JetPFCand_*, without charge, vertex quality and PUPPI weight
};

/// Writes a NanoAOD file of two events; integers are of the widths of v12 if `narrow`, of v8
/// otherwise. `compression` is ROOT's setting, algorithm * 100 + level.
void write_nano(const std::filesystem::path& path, bool narrow,
                Candidates candidates = Candidates::PFNano, int compression = 101);

/// A file system of a few kilobytes on a folder; mounting it takes privileges that a test may lack.
class SmallDisk {
 public:
  SmallDisk(const std::filesystem::path& folder, int kilobytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const noexcept { return mounted_; }

 private:
  std::filesystem::path folder_;
  bool mounted_ = false;
};

}  // namespace jetcal::data
