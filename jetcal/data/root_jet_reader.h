// SPDX-License-Identifier: Apache-2.0
// Reads jets from files: JetNTuple, PFNano and NanoAOD without candidates, each as TTree or
// RNTuple, and the columns of shards from Parquet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/data/number_column.h"
#include "jetcal/edm/jet_columns.h"

class TFile;

namespace jetcal::data {

/// Names the layout of a ROOT file.
enum class Schema {
  JetNTuple,  ///< One row a jet, with particles.
  PFNano,     ///< One row an event: NanoAOD with the candidates of its AK4 jets.
  NanoAOD,    ///< One row an event; its jets have no particles.
  JetTable,   ///< One row a jet: the columns of the shards, in Parquet.
};
/// Returns "JetNTuple", "PFNano", "NanoAOD" or "JetTable".
std::string_view schema_name(Schema schema) noexcept;

/// Names how the rows are stored.
enum class Storage { TTree, RNTuple, Parquet };
/// Returns "TTree", "RNTuple" or "Parquet".
std::string_view storage_name(Storage storage) noexcept;

/// Says what a reader found in its file.
struct RootSource {
  std::filesystem::path path;
  Schema schema = Schema::JetNTuple;
  /// "jetntuple", "jettable", or the NanoAOD version that the branches look like, e.g.
  /// "nanoaod-v12-like" or "pfnano-v8-like": v8 has CHS jets, v12 and v15 have PUPPI jets.
  std::string layout;
  /// What the networks use and the file lacks, e.g. "particle-flow candidates"; such columns are 0.
  std::vector<std::string> missing;
  Storage storage = Storage::TTree;
  std::string tree;              ///< With its folder, e.g. "AK4jets/jetTree"; empty in Parquet.
  std::int64_t cycle = 0;        ///< The key cycle read: the highest one.
  std::int64_t num_cycles = 0;   ///< How many cycles of the key the file holds.
  std::int64_t num_entries = 0;  ///< Rows of the tree: events (PFNano, NanoAOD) or jets.

  /// Tells whether a row is an event with a list of jets.
  bool rows_are_events() const noexcept {
    return schema == Schema::PFNano || schema == Schema::NanoAOD;
  }
  /// Tells whether jets come with particles, without which no network can be used.
  bool has_particles() const noexcept { return schema != Schema::NanoAOD; }
};

/// Tells where each jet of a chunk came from, one element a jet.
struct JetOrigins {
  std::vector<std::int64_t> entry;  ///< Row of the tree.
  std::vector<std::int32_t> jet;    ///< Index of the jet in its event; 0 in a JetNTuple.
};

/// Reads every jet of one file in the order of the tree, without any selection.
///
/// Several readers may live in several threads; one reader is for one thread. A jet without a
/// generator match has pt_gen 0. Values that are not finite are passed on as they are.
///
/// Parquet: every jet and particle column of jet_columns.h by its name, of any numeric type;
/// particle columns are lists. Other columns are left alone.
///
/// NanoAOD: pt_raw is pt (1 - rawFactor); a Jet_genJetIdx of -1, or beyond the stored generator
/// jets, is no match. Without candidates a jet has no particles and its quark-gluon variables are
/// 0.
///
/// PFNano: the particles of a jet are all candidates in |d_eta| < 1, |d_phi| < 1 in stored order,
/// plus its own constituents outside of that box; pf_from_jet is 1 for its own constituents
/// (JetPFCands). Quark-gluon variables are computed from the constituents.
class RootJetReader {
 public:
  /// Opens the highest key cycle of the tree `tree`, or of the one that has the branches of a known
  /// schema when `tree` is empty.
  ///
  /// Throws NotFound (no such file), DataLoss (truncated or corrupt), InvalidArgument (no known
  /// tree; a branch is missing or has a wrong type), each naming file and branch.
  explicit RootJetReader(const std::filesystem::path& path, const std::string& tree = "");
  ~RootJetReader();
  RootJetReader(RootJetReader&&) noexcept;
  RootJetReader& operator=(RootJetReader&&) noexcept;

  const RootSource& source() const noexcept { return source_; }
  /// Returns the next entry that read() would read.
  std::int64_t next_entry() const noexcept { return next_entry_; }
  /// Counts the links of the JetPFCands read so far that point to a jet or candidate which the file
  /// does not store; they are skipped.
  std::int64_t skipped_links() const noexcept;
  /// Counts the jets read so far whose Jet_genJetIdx lies beyond the stored generator jets.
  std::int64_t unstored_gen_jets() const noexcept;

  /// Appends the jets of up to `max_entries` further entries to `jets`, and where they came from to
  /// `origins` unless null. Returns the entries read, 0 at the end. Throws DataLoss naming file,
  /// branch and entry when a basket or page cannot be read.
  std::int64_t read(std::int64_t max_entries, edm::JetColumns& jets, JetOrigins* origins = nullptr);

  /// Tells whether the tree has a branch (field, column) of that name.
  bool has_branch(const std::string& name) const;
  /// Lets read() read these branches too. A branch holds one number an entry, which every jet of an
  /// event then gets, or in NanoAOD a list with one for each jet. Before the first read(); throws
  /// InvalidArgument naming a branch that is missing or holds something else. read() throws
  /// DataLoss for a list of another length than the jets.
  void bind_branches(const std::vector<std::string>& names);
  /// Returns the bound branches of the jets that the last read() appended, in the order of
  /// bind_branches().
  const std::vector<NumberColumn>& branches() const noexcept { return branches_; }

  /// Makes jets from the rows of the tree; private to the room (detail/).
  class Rows;

 private:
  void open_tree(const std::string& wanted);

  RootSource source_;
  std::int64_t next_entry_ = 0;
  std::vector<NumberColumn> branches_;
  std::unique_ptr<TFile> file_;  // outlives the tree that rows_ reads; null for Parquet
  std::unique_ptr<Rows> rows_;
};

}  // namespace jetcal::data
