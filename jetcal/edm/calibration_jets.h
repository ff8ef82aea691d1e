// SPDX-License-Identifier: Apache-2.0
// Gen jets with the reconstructed jets that belong to them, with and without pileup: what
// corrections are derived from.
#pragma once

#include <cstdint>
#include <vector>

namespace jetcal::edm {

/// Calls visit(type, member, branch) for every column. Branches are those of the tree
/// `calibration/jets` that jetcal simulate --calibration writes.
#define JETCAL_CALIBRATION_COLUMNS(X)                                                         \
  X(float, pt_gen, "genJetPt")                                                                \
  X(float, eta_gen, "genJetEta")                                                              \
  X(float, pt_raw, "jetRawPt") /* without threshold; 0 when no jet lies within 0.2 */         \
  X(float, eta, "jetEta")                                                                     \
  X(float, area, "jetArea")                                                                   \
  X(float, pt_raw_no_pileup, "jetRawPtNoPU") /* the same collision without pileup; 0: none */ \
  X(float, rho, "rhoAll")                                                                     \
  X(std::int32_t, num_pileup, "Pileup_nPU")

/// Owns the columns; all are equally long.
struct CalibrationJets {
#define JETCAL_COLUMN(type, name, branch) std::vector<type> name;
  JETCAL_CALIBRATION_COLUMNS(JETCAL_COLUMN)
#undef JETCAL_COLUMN

  std::int64_t num_jets() const noexcept { return static_cast<std::int64_t>(pt_gen.size()); }
};

}  // namespace jetcal::edm
