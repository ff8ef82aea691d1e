// SPDX-License-Identifier: Apache-2.0
// Turns ROOT files into shards: selects, splits, accounts for every row, and resumes after a kill.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "jetcal/data/data_rules.h"
#include "jetcal/data/dataset.h"
#include "jetcal/data/file_store.h"
#include "jetcal/data/root_jet_reader.h"

namespace jetcal::data {

/// Says which jets are kept; the defaults are the paper's. Every bound is exclusive.
struct Selection {
  double gen_pt_min = 20;  ///< GeV
  double gen_eta_max = 2.5;
  double reco_pt_min = 0;  ///< GeV
  double reco_eta_max = std::numeric_limits<double>::infinity();
  bool keep_unmatched =
      false;  ///< Keeps jets without a generator match; gen cuts do not apply to them.
};

/// Says how events are divided into train, validation and test.
enum class SplitBy {
  Hash,  ///< By a seeded hash of the event number: jets of one event stay together.
  File,  ///< By input file, as in the paper (6, 2 and 2 files).
};

/// Configures the split; arrays are in the order of kSplits.
struct SplitOptions {
  SplitBy by = SplitBy::Hash;
  std::array<double, 3> fractions{0.6, 0.2, 0.2};  ///< Hash: must sum to 1.
  std::uint64_t seed = 1;                          ///< Hash.
  /// File: glob patterns, matched against the file's name and its whole path; every input must
  /// match the patterns of exactly one split.
  std::array<std::vector<std::string>, 3> patterns;
};

/// Configures ingest().
struct IngestOptions {
  /// Files or patterns with * and ? in the last component; `name:` in front of one puts its files
  /// into a group, as in `qcd:files/*.root`.
  std::vector<std::string> inputs;
  std::filesystem::path output;  ///< Folder of the shards.
  Selection selection;
  DataRules rules;  ///< Applied after the selection.
  SplitOptions split;
  std::string tree;                       ///< Empty: found by its branches.
  std::int64_t shard_batch_jets = 16384;  ///< Jets of one record batch.
};

/// Accounts for rows (jets). A row is counted in exactly one place, the first that applies:
/// read == selected + not_finite + unmatched + the four rejected counts + the five of the rules,
/// always.
struct IngestCounts {
  std::int64_t read = 0;
  std::int64_t selected = 0;
  /// A jet column is NaN or infinite, or a feature is beyond edm::kLargestFeature.
  std::int64_t not_finite = 0;
  std::int64_t unmatched = 0;  ///< No generator jet (and keep_unmatched is off).
  std::int64_t rejected_reco_pt = 0, rejected_reco_eta = 0;
  std::int64_t rejected_gen_pt = 0, rejected_gen_eta = 0;
  /// By the rules, as JetFate says.
  std::int64_t selection_not_finite = 0, rejected_selection = 0, rejected_split_selection = 0;
  std::int64_t weight_not_finite = 0, not_in_fraction = 0;
  std::int64_t selected_unmatched = 0;  ///< Part of `selected`; 0 unless keep_unmatched is on.
  std::array<std::int64_t, 3>
      selected_by_split{};  ///< In the order of kSplits; sums to `selected`.
  /// Sums of the weights of the selected jets; their number where the rules give no weights.
  std::array<double, 3> weight_by_split{};
  std::int64_t observers_not_finite = 0;  ///< Values of selected jets; they are kept as they are.
  std::int64_t particles_read = 0, particles_selected = 0;
  /// Part of particles_selected: those that edm::is_usable_particle() refuses. They keep their
  /// place in the shard (the first 100 of paper mode count them) and are dropped when features are
  /// made.
  std::int64_t particles_unusable = 0;

  std::int64_t skipped_links = 0;      ///< See RootJetReader::skipped_links().
  std::int64_t unstored_gen_jets = 0;  ///< See RootJetReader::unstored_gen_jets().

  IngestCounts& operator+=(const IngestCounts& other) noexcept;
  /// Throws Internal when the counts do not add up.
  void check() const;
};

/// Describes one input file in the manifest.
struct IngestedFile {
  std::filesystem::path path;
  std::string group;  ///< Empty: none.
  std::int64_t size = 0, modified_ns = 0;
  RootSource source;
  IngestCounts counts;
  struct Shard {
    Split split;
    std::string name;
    std::int64_t num_jets, num_particles;
  };
  std::vector<Shard> shards;
};

/// Tells what ingest() did.
struct IngestReport {
  IngestCounts counts;  ///< Of all files.
  std::vector<IngestedFile> files;
  DataRules rules;                             ///< That were applied.
  std::map<std::string, IngestCounts> groups;  ///< By name; empty when no input has a group.
  std::int64_t files_resumed = 0;  ///< Found finished by an earlier run and not read again.
};

/// Reports (entries read, files finished, files in all); called from several threads, one at a
/// time.
using IngestProgress = std::function<void(std::int64_t, std::int64_t, std::int64_t)>;

/// Reads the inputs and writes `{train,validation,test}-NNNNN.arrow` (NNNNN is the index of the
/// input file) and manifest.json into options.output.
///
/// A killed run resumes: input files that are finished and unchanged (size, time, options) are not
/// read again, and the result is byte for byte that of an uninterrupted run, for any number of
/// threads. Files are read in parallel by jetcal::num_threads() threads. Throws NotFound or
/// InvalidArgument for bad input, DataLoss for a corrupt file, FailedPrecondition when the folder
/// holds the result of other options, ResourceExhausted when the disk is full (the file in work
/// leaves nothing behind) and Cancelled after a stop signal.
IngestReport ingest(const IngestOptions& options, const IngestProgress& progress = {});

/// Reads the report back from the manifest of a finished or unfinished folder.
IngestReport read_manifest(const std::filesystem::path& dir);
/// The same from a folder or object store; the ingest must have finished.
IngestReport read_manifest(const FileStore& store);

}  // namespace jetcal::data
