// SPDX-License-Identifier: Apache-2.0
// Jets and their particles as columns: one row a jet, ragged rows of particle-flow candidates.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace jetcal::edm {

/// Calls visit(name, member, unit) for every jet column, in the order in which shards store them.
///
/// The names are those of the shards; the comment gives the JetNTuple branch. Energies are GeV,
/// angles radians.
#define JETCAL_JET_COLUMNS(X)                                          \
  X(float, pt_reco)              /* jetPt: after the standard JEC */   \
  X(float, eta)                  /* jetEta */                          \
  X(float, phi)                  /* jetPhi */                          \
  X(float, mass)                 /* jetMass */                         \
  X(float, area)                 /* jetArea */                         \
  X(float, pt_raw)               /* jetRawPt: before any correction */ \
  X(float, qg_pt_d)              /* QG_ptD */                          \
  X(float, qg_axis2)             /* QG_axis2 */                        \
  X(std::int32_t, qg_mult)       /* QG_mult */                         \
  X(float, pt_gen)               /* genJetPt; 0 when unmatched */      \
  X(float, eta_gen)              /* genJetEta */                       \
  X(std::int32_t, hadron_flavor) /* hadronFlav */                      \
  X(std::int32_t, parton_flavor) /* partonFlav */                      \
  X(float, rho)                  /* rhoAll */                          \
  X(std::int32_t, num_vertices)  /* PV_npvsGood */                     \
  X(float, num_pileup)           /* Pileup_nTrueInt */                 \
  X(std::uint64_t, event)        /* event */                           \
  X(float, weight)               /* eventWeight */

/// The same for the particle columns. d_eta and d_phi are relative to the jet axis.
#define JETCAL_PARTICLE_COLUMNS(X)                     \
  X(float, pf_pt)              /* PF_pT */             \
  X(float, pf_d_eta)           /* PF_dEta */           \
  X(float, pf_d_phi)           /* PF_dPhi */           \
  X(float, pf_mass)            /* PF_mass */           \
  X(std::int32_t, pf_id)       /* PF_id: PDG number */ \
  X(std::uint8_t, pf_from_pv)  /* PF_fromPV: 0 to 3 */ \
  X(std::uint8_t, pf_from_jet) /* PF_fromAK4Jet: 1 for own constituents */

/// Views jets that live elsewhere, e.g. in a memory-mapped shard.
///
/// offsets [J + 1] ascend from offsets[0]; the particles of jet j are the rows offsets[j] to
/// offsets[j + 1] - 1 of the particle columns. offsets[0] may be positive: a view of some rows of a
/// larger table keeps its particle columns.
struct JetView {
  std::int64_t num_jets = 0;
  std::span<const std::int64_t> offsets;
#define JETCAL_SPAN(type, name) std::span<const type> name;
  JETCAL_JET_COLUMNS(JETCAL_SPAN)
  JETCAL_PARTICLE_COLUMNS(JETCAL_SPAN)
#undef JETCAL_SPAN
};

/// Owns jets; the same columns as JetView.
struct JetColumns {
  std::vector<std::int64_t> offsets{0};
#define JETCAL_VECTOR(type, name) std::vector<type> name;
  JETCAL_JET_COLUMNS(JETCAL_VECTOR)
  JETCAL_PARTICLE_COLUMNS(JETCAL_VECTOR)
#undef JETCAL_VECTOR

  std::int64_t num_jets() const noexcept { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t num_particles() const noexcept { return offsets.back(); }
  JetView view() const noexcept;
  /// Appends row `row` of `from`, with its particles.
  void append(const JetView& from, std::int64_t row);
};

}  // namespace jetcal::edm
