// SPDX-License-Identifier: Apache-2.0
// Writes rows as the tree AK4jets/jetTree of a JetNTuple file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "jetcal/sim/jet_row.h"

namespace jetcal::sim {

struct NtupleOptions {
  int compression = 505;  ///< ROOT's number: 505 is ZSTD level 5, 209 LZMA level 9
  /// Explicit mantissa bits kept of pT, dEta and dPhi of a jet's own constituents, and of the other
  /// candidates in the box.
  int own_bits = 12, other_bits = 12;
  /// The same of dR and dTheta, which follow from dEta and dPhi.
  int own_derived_bits = 12, other_derived_bits = 12;
  int gen_bits = 12;  ///< of the gen particles
};

/// Writes one file; it appears under its name at close(), or not at all.
///
/// Files of the same rows and options are the same bytes. Throws ResourceExhausted on a full disk.
class NtupleWriter {
 public:
  NtupleWriter(const std::filesystem::path& path, const NtupleOptions& options);
  ~NtupleWriter();
  NtupleWriter(const NtupleWriter&) = delete;
  NtupleWriter& operator=(const NtupleWriter&) = delete;

  void write(const JetRow& row);
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Rounds to `bits` explicit bits of mantissa; a value within (-1, 1) stays within.
float keep_bits(float value, int bits) noexcept;

}  // namespace jetcal::sim
