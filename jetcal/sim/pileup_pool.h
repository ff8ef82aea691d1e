// SPDX-License-Identifier: Apache-2.0
// A pool of minimum-bias collisions on disk, from which the pileup of every crossing is drawn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "jetcal/base/random.h"
#include "jetcal/sim/options.h"
#include "jetcal/sim/particle.h"

namespace jetcal::sim {

/// Holds the particles of one crossing: the hard collision is vertex 0, pileup follows.
struct Crossing {
  std::vector<Particle> particles;
  std::vector<std::int32_t> vertex;  ///< of each particle
  std::vector<double> vertex_z;      ///< cm
  int num_pileup = 0;                ///< collisions drawn besides the hard one
  double mean_pileup = 0;            ///< the mean of their Poisson distribution
};

/// Maps a pool file into memory; forked workers share its pages.
class PileupPool {
 public:
  /// An empty pool: crossings without pileup.
  PileupPool() = default;
  /// Throws NotFound, or DataLoss when the file is truncated or of another kind.
  static PileupPool open(const std::filesystem::path& path);
  ~PileupPool();
  PileupPool(PileupPool&& other) noexcept;
  PileupPool& operator=(PileupPool&& other) noexcept;

  std::int64_t num_events() const noexcept { return num_events_; }
  std::span<const Particle> event(std::int64_t index) const noexcept;
  std::uint64_t fingerprint() const noexcept { return fingerprint_; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
  std::int64_t num_events_ = 0;
  std::uint64_t fingerprint_ = 0;
  const std::int64_t* offsets_ = nullptr;
  const Particle* particles_ = nullptr;
};

/// Writes a pool file; `offsets` [n + 1] ascend from 0. It appears completely or not at all.
void write_pool(const std::filesystem::path& path, std::uint64_t fingerprint,
                const std::vector<std::int64_t>& offsets, const std::vector<Particle>& particles);

/// Starts a crossing with the hard collision at a random place along the beam and adds pileup: a
/// mean from the profile, a Poisson number of pool events, each turned in phi, half of them
/// mirrored in eta.
void overlay(std::span<const Particle> hard, const PileupPool& pool, const PileupOptions& options,
             Rng& rng, Crossing& crossing);

}  // namespace jetcal::sim
