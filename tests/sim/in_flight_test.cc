// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/in_flight.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "jetcal/sim/tracker.h"

namespace jetcal::sim {
namespace {

TrackerOptions tracker() { return read_experiment(Config()).tracker; }

Crossing crossing_of(std::vector<Particle> particles) {
  Crossing crossing;
  crossing.vertex.assign(particles.size(), 0);
  crossing.particles = std::move(particles);
  crossing.vertex_z = {0};
  return crossing;
}

/// Sums the momenta along x, y, z.
std::array<double, 3> total(const std::vector<Particle>& particles) {
  std::array<double, 3> sum{};
  for (const Particle& p : particles) {
    sum[0] += p.pt * std::cos(static_cast<double>(p.phi));
    sum[1] += p.pt * std::sin(static_cast<double>(p.phi));
    sum[2] += p.pt * std::sinh(static_cast<double>(p.eta));
  }
  return sum;
}

TEST(InFlight, DecaysKeepTheMomentumAndFollowTheBranchings) {
  TrackerOptions options = tracker();
  options.interaction = {0, 0};
  options.decay_radius = 1e9;  // all of them
  CrossingInFlight out;
  CrossingRandom random(1);
  int charged = 0;
  constexpr int kTries = 4000;
  for (int i = 0; i < kTries; ++i) {
    const Particle kaon{3, 0.7F, 1.1F, 310};
    fly(crossing_of({kaon}), options, random, out);
    const auto want = total({kaon});
    const auto got = total(out.particles);
    for (std::size_t axis = 0; axis < 3; ++axis) ASSERT_NEAR(got[axis], want[axis], 1e-4);
    double energy = 0;
    for (const Particle& p : out.particles) energy += energy_of(p);
    ASSERT_NEAR(energy, energy_of(kaon), 1e-4);
    ASSERT_EQ(out.displaced, std::vector<char>(out.particles.size(), 1));
    charged += out.particles[0].pdg == 211 ? 1 : 0;
  }
  EXPECT_NEAR(charged / static_cast<double>(kTries), 0.692, 0.03);
}

TEST(InFlight, LateDecaysReachTheCalorimeter) {
  TrackerOptions options = tracker();
  options.interaction = {0, 0};
  CrossingInFlight out;
  CrossingRandom random(1);
  const auto share_of_decays = [&](float pt, int pdg) {
    int decays = 0;
    for (int i = 0; i < 2000; ++i) {
      fly(crossing_of({{pt, 0, 0, pdg}}), options, random, out);
      decays += out.particles[0].pdg == pdg ? 0 : 1;
    }
    return decays / 2000.;
  };
  // 1 - exp(-radius m / (pT c tau))
  EXPECT_NEAR(share_of_decays(10, 310), 1 - std::exp(-40 * 0.49761 / (10 * 2.684)), 0.04);
  EXPECT_NEAR(share_of_decays(10, 3122), 1 - std::exp(-40 * 1.11568 / (10 * 7.89)), 0.04);
  EXPECT_EQ(share_of_decays(10, 130), 0);
}

TEST(InFlight, InteractionsShareTheMomentumOfHadronsOnly) {
  TrackerOptions options = tracker();
  options.interaction = {1, 1};
  CrossingInFlight out;
  CrossingRandom random(3);
  double along = 0;
  for (int i = 0; i < 1000; ++i) {
    fly(crossing_of({{50, 0.2F, 0, 211}, {50, 0.2F, 2, 22}, {0.5F, 0, 1, 211}}), options, random,
        out);
    ASSERT_GE(out.particles.size(), 4U);
    ASSERT_EQ(out.displaced.back(), 0);                     // too soft
    ASSERT_EQ(out.displaced[out.displaced.size() - 2], 0);  // a photon
    out.particles.resize(out.particles.size() - 2);
    along += total(out.particles)[0];
  }
  EXPECT_NEAR(along / 1000, 50, 0.5);
}

TEST(InFlight, DisplacedTracksAreFoundLessOftenAndInNoFit) {
  TrackerOptions options = tracker();
  options.displaced_efficiency = 0.5;
  options.in_vertex_fit = {1, 1};
  CrossingInFlight crossing;
  crossing.vertex_z = {0};
  for (int i = 0; i < 4000; ++i) {
    crossing.particles.push_back({5, 0.001F * static_cast<float>(i) - 2, 1, 211});
    crossing.vertex.push_back(0);
    crossing.displaced.push_back(i % 2 == 0 ? 1 : 0);
  }
  options.dense_loss = 0;
  CrossingRandom random(1);
  TrackerHits hits;
  reconstruct_tracks(crossing, options, random, hits);
  int found[2] = {};
  for (const Track& track : hits.tracks) {
    const bool displaced = crossing.displaced[static_cast<std::size_t>(track.particle)] != 0;
    ++found[displaced ? 1 : 0];
    EXPECT_EQ(track.from_pv, displaced ? 2 : 3);
  }
  EXPECT_NEAR(found[1] / static_cast<double>(found[0]), 0.5, 0.05);
}

}  // namespace
}  // namespace jetcal::sim
