// SPDX-License-Identifier: Apache-2.0
// The rows of the calibration trees: their branches, in their names and types.
#pragma once

#include <cstdint>

namespace jetcal::sim {

/// Calls X(type, branch) for every branch of calibration/jets: one row a gen jet, whatever was
/// reconstructed of it.
#define JETCAL_CALIBRATION_JET(X) \
  X(float, genJetPt)              \
  X(float, genJetEta)             \
  X(float, genJetPhi)             \
  X(std::int32_t, hadronFlav)     \
  X(std::int32_t, partonFlav)     \
  X(float, jetRawPt)              \
  X(float, jetEta)                \
  X(float, jetArea)               \
  X(std::int32_t, jetMult)        \
  X(float, jetRawPtNoPU)          \
  X(float, jetAreaNoPU)           \
  X(float, rhoAll)                \
  X(float, rhoNoPU)               \
  X(std::int32_t, Pileup_nPU)     \
  X(std::int32_t, PV_npvsGood)    \
  X(float, pthat)                 \
  X(float, eventWeight)           \
  X(std::uint64_t, event)

/// The same for calibration/events: one row an event, accepted or not. The counts are of candidates
/// (charged, photons, neutral hadrons; removed by charged-hadron subtraction or not) within
/// |eta| < 1.3 and 1.5 < |eta| < 2.5.
#define JETCAL_CALIBRATION_EVENT(X) \
  X(std::uint64_t, event)           \
  X(float, pthat)                   \
  X(float, eventWeight)             \
  X(std::int32_t, Pileup_nPU)       \
  X(std::int32_t, PV_npvsGood)      \
  X(float, rhoAll)                  \
  X(float, rhoNoPU)                 \
  X(std::int32_t, ch13)             \
  X(std::int32_t, ph13)             \
  X(std::int32_t, nh13)             \
  X(std::int32_t, ch25)             \
  X(std::int32_t, ph25)             \
  X(std::int32_t, nh25)

#define JETCAL_MEMBER(type, name) type name = 0;
/// A gen jet with the nearest jets reconstructed with pileup and without; 0 where there is none.
struct CalibrationJet {
  JETCAL_CALIBRATION_JET(JETCAL_MEMBER)
};

/// An event.
struct CalibrationEvent {
  JETCAL_CALIBRATION_EVENT(JETCAL_MEMBER)
};
#undef JETCAL_MEMBER

}  // namespace jetcal::sim
