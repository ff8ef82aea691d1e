// SPDX-License-Identifier: Apache-2.0
// Events from PYTHIA 8: hard QCD scatterings and minimum-bias collisions.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "jetcal/sim/particle.h"

namespace jetcal::sim {

/// Holds one collision of a QCD process.
struct HardEvent {
  std::vector<Particle> particles;         ///< Undecayed, |eta| < 5.5; neutrinos included.
  std::vector<Particle> flavor_hadrons;    ///< b and c hadrons without a daughter of that flavor.
  std::vector<Particle> flavor_partons;    ///< Quarks and gluons at the end of the shower.
  std::vector<Particle> all_partons;       ///< Quarks and gluons of any status, with pT.
  std::array<Particle, 2> hard_partons{};  ///< The two outgoing ones of the matrix element.
  double pthat = 0, weight = 0;
};

/// Runs one PYTHIA; give each worker its own.
///
/// An event depends on the seed of the last restart() and on the events since then, never on
/// anything before.
class Generator {
 public:
  /// Initialises PYTHIA with these setting lines. Throws InvalidArgument naming a bad line, or
  /// FailedPrecondition when PYTHIA refuses to start.
  explicit Generator(const std::vector<std::string>& settings);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  /// Starts a new random sequence.
  void restart(std::uint64_t seed);
  /// Generates the next hard event; a failure inside PYTHIA is retried and counted.
  void next(HardEvent& event);
  /// Generates the next collision, final particles with |eta| < 5.2 only, without neutrinos.
  void next(std::vector<Particle>& particles);
  std::int64_t num_failures() const noexcept { return num_failures_; }

 private:
  void generate();
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::int64_t num_failures_ = 0;
};

}  // namespace jetcal::sim
