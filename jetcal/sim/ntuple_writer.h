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
  int own_bits = 12;      ///< mantissa bits kept of the numbers of a jet's own constituents
  int other_bits = 12;    ///< the same for the other candidates in the box
  int gen_bits = 12;      ///< the same for gen particles
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
