// SPDX-License-Identifier: Apache-2.0
// Makes jets from the rows of a table, one class per schema.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "jetcal/data/detail/table.h"
#include "jetcal/data/root_jet_reader.h"

namespace jetcal::data {

class RootJetReader::Rows {
 public:
  explicit Rows(std::unique_ptr<detail::Table> table) : table_(std::move(table)) {}
  virtual ~Rows() = default;
  /// Appends the jets of one entry.
  virtual void read(std::int64_t entry, edm::JetColumns& jets, JetOrigins* origins) = 0;
  /// As RootSource::missing.
  virtual std::vector<std::string> missing() const { return {}; }

  /// As RootJetReader::has_branch().
  virtual bool has_branch(const std::string& name) const;
  /// Adds a branch of numbers to those that are read and returns its empty column. `path` is for
  /// messages.
  virtual NumberColumn bind_branch(const std::string& name, const RootSource& source);
  /// Appends the numbers of the entry read last, which had `num_jets` jets, to the bound branches.
  virtual void append_branches(std::int64_t entry, std::int64_t num_jets,
                               std::vector<NumberColumn>& branches);

  /// As those of RootJetReader.
  std::int64_t skipped_links = 0, unstored_gen_jets = 0;

 protected:
  std::unique_ptr<detail::Table> table_;

 private:
  struct BoundBranch {
    detail::Table::Handle handle = 0;
    bool per_jet = false;  // a list with one number for each jet of the event
  };
  std::vector<BoundBranch> branches_;
  std::string path_;  // for messages
};

namespace detail {

/// Binds the columns of a JetNTuple; `path` is for messages.
std::unique_ptr<RootJetReader::Rows> make_jet_ntuple_rows(std::unique_ptr<Table> table,
                                                          std::string path);
/// Binds the columns of NanoAOD, with those of the candidates if asked.
std::unique_ptr<RootJetReader::Rows> make_nano_rows(std::unique_ptr<Table> table, std::string path,
                                                    bool with_candidates);
/// Tells whether a NanoAOD table links candidates to its AK4 jets, or means to.
bool has_candidates(const Table& table);
/// Names the version of NanoAOD that a table looks like, e.g. "v12-like".
std::string nano_version(const Table& table);

}  // namespace detail
}  // namespace jetcal::data
