// SPDX-License-Identifier: Apache-2.0
// One row of the tree AK4jets/jetTree of JetNTuple: its branches, in its names and types.
#pragma once

#include <cstdint>
#include <vector>

namespace jetcal::sim {

/// Calls X(type, branch) for every branch that holds one value a jet, in the order of the file.
/// Members carry the names of the branches, so that writer, tests and file cannot drift apart.
#define JETCAL_ROW_SCALARS(X)           \
  X(float, jetPt)                       \
  X(float, jetEta)                      \
  X(float, jetPhi)                      \
  X(float, jetMass)                     \
  X(float, jetGirth)                    \
  X(float, jetArea)                     \
  X(float, jetRawPt)                    \
  X(float, jetRawMass)                  \
  X(std::int32_t, jetLooseID)           \
  X(std::int32_t, jetTightID)           \
  X(std::int32_t, jetGenMatch)          \
  X(float, jetQGl)                      \
  X(float, QG_ptD)                      \
  X(float, QG_axis2)                    \
  X(std::int32_t, QG_mult)              \
  X(std::int32_t, partonFlav)           \
  X(std::int32_t, hadronFlav)           \
  X(std::int32_t, physFlav)             \
  X(std::int32_t, isPhysUDS)            \
  X(std::int32_t, isPhysG)              \
  X(std::int32_t, isPhysOther)          \
  X(std::int32_t, isPartonUDS)          \
  X(std::int32_t, isPartonG)            \
  X(std::int32_t, isPartonOther)        \
  X(std::int32_t, jetChargedHadronMult) \
  X(std::int32_t, jetNeutralHadronMult) \
  X(std::int32_t, jetChargedMult)       \
  X(std::int32_t, jetNeutralMult)       \
  X(std::int32_t, jetMult)              \
  X(float, genJetPt)                    \
  X(float, genJetEta)                   \
  X(float, genJetPhi)                   \
  X(float, genJetMass)                  \
  X(std::int32_t, eventJetMult)         \
  X(std::int32_t, jetPtOrder)           \
  X(float, dPhiJetsLO)                  \
  X(float, dEtaJetsLO)                  \
  X(float, alpha)                       \
  X(std::uint64_t, event)               \
  X(std::int32_t, run)                  \
  X(std::int32_t, lumi)                 \
  X(float, pthat)                       \
  X(float, eventWeight)                 \
  X(float, rhoAll)                      \
  X(float, rhoCentral)                  \
  X(float, rhoCentralNeutral)           \
  X(float, rhoCentralChargedPileUp)     \
  X(std::int32_t, PV_npvsGood)          \
  X(std::int32_t, Pileup_nPU)           \
  X(float, Pileup_nTrueInt)

/// The same for the branches with one value per candidate (counted by nPF), with their leaf names:
/// the leaf of PF_mass is called cPF_mass in the original, and so it is here.
#define JETCAL_ROW_CANDIDATES(X)        \
  X(float, PF_pT, PF_pT)                \
  X(float, PF_dR, PF_dR)                \
  X(float, PF_dTheta, PF_dTheta)        \
  X(float, PF_dPhi, PF_dPhi)            \
  X(float, PF_dEta, PF_dEta)            \
  X(float, PF_mass, cPF_mass)           \
  X(std::int32_t, PF_id, PF_id)         \
  X(std::int32_t, PF_fromPV, PF_fromPV) \
  X(std::int32_t, PF_fromAK4Jet, PF_fromAK4Jet)

/// The same for the particles of the gen jet (counted by nGenJetPF).
#define JETCAL_ROW_GEN_PARTICLES(X)          \
  X(float, genJetPF_pT, genJetPF_pT)         \
  X(float, genJetPF_dR, genJetPF_dR)         \
  X(float, genJetPF_dTheta, genJetPF_dTheta) \
  X(float, genJetPF_mass, genJetPF_mass)     \
  X(std::int32_t, genJetPF_id, genJetPF_id)

/// The values of one jet that are not lists.
struct JetScalars {
#define JETCAL_MEMBER(type, name) type name = 0;
  JETCAL_ROW_SCALARS(JETCAL_MEMBER)
#undef JETCAL_MEMBER
};

/// One jet as the file stores it. Gen particles are empty for an unmatched jet; the writer then
/// leaves the previous ones in the file, as the original does.
struct JetRow {
  JetScalars values;
#define JETCAL_MEMBER(type, name, leaf) std::vector<type> name;
  JETCAL_ROW_CANDIDATES(JETCAL_MEMBER)
  JETCAL_ROW_GEN_PARTICLES(JETCAL_MEMBER)
#undef JETCAL_MEMBER
};

}  // namespace jetcal::sim
