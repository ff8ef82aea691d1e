// SPDX-License-Identifier: Apache-2.0
// The correction that makes jetPt from jetRawPt: the levels L1FastJet, L2Relative and L3Absolute.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "jetcal/jec/jet_corrector.h"
#include "jetcal/sim/jet_finder.h"

namespace jetcal::sim {

/// Corrects the jets of an event in one call.
class Correction {
 public:
  /// Leaves every jet as it is.
  Correction() = default;
  /// Returns the compiled-in correction of cards/jec.
  static Correction standard();
  /// Opens text files in the order of their levels, or one correctionlib JSON. Throws as
  /// JetCorrector::open does, and InvalidArgument for an input that a jet here does not have.
  static Correction open(const std::vector<std::filesystem::path>& files);

  /// Writes jetPt / jetRawPt to out [jets]; returns how many jets lay outside every bin of a
  /// level (factor 1).
  std::int64_t factors(std::span<const Jet> jets, double rho, std::span<double> out) const;
  /// Returns the corrector, or nullptr where there is none.
  const jec::JetCorrector* corrector() const { return corrector_ ? &*corrector_ : nullptr; }
  /// Differs wherever two corrections differ.
  std::uint64_t fingerprint() const noexcept { return fingerprint_; }

 private:
  std::optional<jec::JetCorrector> corrector_;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace jetcal::sim
