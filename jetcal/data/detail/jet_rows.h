// SPDX-License-Identifier: Apache-2.0
// Makes jets from the rows of a table, one class per schema.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "jetcal/data/detail/table.h"
#include "jetcal/data/root_jet_reader.h"

namespace jetcal::data {

class RootJetReader::Rows {
 public:
  explicit Rows(std::unique_ptr<detail::Table> table) : table_(std::move(table)) {}
  virtual ~Rows() = default;
  /// Appends the jets of one entry; returns the number of skipped links (see RootJetReader).
  virtual std::int64_t read(std::int64_t entry, edm::JetColumns& jets, JetOrigins* origins) = 0;

 protected:
  std::unique_ptr<detail::Table> table_;
};

namespace detail {

/// Binds the columns of a JetNTuple; `path` is for messages.
std::unique_ptr<RootJetReader::Rows> make_jet_ntuple_rows(std::unique_ptr<Table> table,
                                                          std::string path);
/// Binds the columns of NanoAOD with candidates. Throws Unimplemented when it has none.
std::unique_ptr<RootJetReader::Rows> make_pf_nano_rows(std::unique_ptr<Table> table,
                                                       std::string path);

}  // namespace detail
}  // namespace jetcal::data
