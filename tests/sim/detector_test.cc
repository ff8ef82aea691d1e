// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "jetcal/sim/calorimeter.h"
#include "jetcal/sim/density.h"
#include "jetcal/sim/particle_flow.h"

namespace jetcal::sim {
namespace {

const ExperimentOptions& experiment() {
  static const ExperimentOptions options = read_experiment(Config());
  return options;
}

Crossing crossing_of(std::vector<Particle> particles) {
  Crossing crossing;
  crossing.vertex.assign(particles.size(), 0);
  crossing.particles = std::move(particles);
  crossing.vertex_z = {0};
  return crossing;
}

TEST(Calorimeter, CalibratesTheMeanResponseAway) {
  const Calorimeter calorimeter(experiment().calorimeter);
  const double scale = experiment().calorimeter.calibration_scale;
  for (const double energy : {2., 10., 100., 1000.})
    EXPECT_NEAR(calorimeter.calibrate(energy * calorimeter.hadron_response(energy)), scale * energy,
                0.01 * energy);
  EXPECT_LT(calorimeter.hadron_response(2), calorimeter.hadron_response(200));
}

TEST(Calorimeter, TurnsChargesApartAndLosesLoopers) {
  const Calorimeter calorimeter(experiment().calorimeter);
  const Impact plus = calorimeter.propagate({2, 0, 0, 211});
  const Impact minus = calorimeter.propagate({2, 0, 0, -211});
  EXPECT_LT(plus.phi, 0);
  EXPECT_DOUBLE_EQ(plus.phi, -minus.phi);
  // sin(turn) = radius of the barrel / diameter of the helix.
  EXPECT_NEAR(std::sin(minus.phi), 1.29 * 0.3 * 3.8 / (2 * 2), 1e-6);
  EXPECT_FALSE(calorimeter.propagate({0.5, 0, 0, 211}).reached);
  EXPECT_TRUE(calorimeter.propagate({0.5, 2.3F, 0, 211}).reached);
}

TEST(CellGrid, WrapsInPhiAndEndsInEta) {
  CellGrid grid(3, 0.087);
  const int cell = grid.find(0.5, M_PI - 0.001);
  EXPECT_EQ(grid.neighbor(cell, 0, 1), grid.find(0.5, -M_PI + 0.001));
  EXPECT_EQ(grid.neighbor(grid.find(2.99, 0), 1, 0), -1);
  EXPECT_EQ(grid.find(3.1, 0), -1);
  grid.add(cell, 2, 0.5, M_PI - 0.001);
  EXPECT_NEAR(grid.phi(cell), M_PI - 0.001, 1e-9);
  grid.clear();
  EXPECT_EQ(grid.energy(cell), 0);
}

TEST(ParticleFlow, SeesPhotonsPionsAndNeutralHadronsWithTheirEnergy) {
  Detector detector(experiment());
  ReconstructedEvent event;
  for (const int pdg : {22, 211, 130}) {
    std::vector<double> seen;
    for (int i = 0; i < 400; ++i) {
      detector.reconstruct(crossing_of({{100, 0.3F, 1, pdg}}), static_cast<std::uint64_t>(i),
                           event);
      double sum = 0;
      for (const Candidate& c : event.candidates) sum += c.pt;
      seen.push_back(sum);
    }
    std::sort(seen.begin(), seen.end());
    // A pion whose shower makes a cluster of its own beside the track is counted twice there.
    EXPECT_NEAR(seen[seen.size() / 2], 100, pdg == 211 ? 12 : 5) << pdg;
  }
}

/// Counts the candidates that a particle of 20 GeV at this place gives in `trials` tries.
int count_candidates(const ExperimentOptions& options, const Particle& particle, int trials,
                     bool charged) {
  Detector detector(options);
  ReconstructedEvent event;
  int count = 0;
  for (int i = 0; i < trials; ++i) {
    detector.reconstruct(crossing_of({particle}), static_cast<std::uint64_t>(i), event);
    count +=
        static_cast<int>(std::count_if(event.candidates.begin(), event.candidates.end(),
                                       [&](const Candidate& c) { return c.charged == charged; }));
  }
  return count;
}

TEST(ParticleFlow, SplitsConvertedPhotonsInTheField) {
  ExperimentOptions options = experiment();
  options.calorimeter.conversion = {0, 0};
  EXPECT_LE(count_candidates(options, {5, 0.3F, 1, 22}, 300, false), 300);
  options.calorimeter.conversion = {1, 1};
  EXPECT_GT(count_candidates(options, {5, 0.3F, 1, 22}, 300, false), 330);
  // A very hard one stays together.
  EXPECT_LT(count_candidates(options, {1000, 0.3F, 1, 22}, 300, false), 320);
}

TEST(ParticleFlow, MergesPhotonsOfNeighboringCrystals) {
  Detector detector(experiment());
  ReconstructedEvent event;
  const auto num_neutrals = [&](float distance) {
    int count = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      detector.reconstruct(crossing_of({{60, 0.3F, 1, 22}, {40, 0.3F + distance, 1, 22}}), seed,
                           event);
      count += static_cast<int>(event.candidates.size());
    }
    return count / 200.;
  };
  EXPECT_LT(num_neutrals(0.012F) + 0.8, num_neutrals(0.08F));
}

TEST(ParticleFlow, DrawsSeparateClustersFromHadronShowers) {
  ExperimentOptions options = experiment();
  options.calorimeter.ecal_fragments = 0;
  options.calorimeter.halo_share = 0;
  const Particle pion{200, 0.3F, 1, 211};
  const int compact = count_candidates(options, pion, 300, false);
  options.calorimeter.ecal_fragments = 3;
  EXPECT_GT(count_candidates(options, pion, 300, false), compact + 100);
  options.calorimeter.ecal_fragments = 0;
  options.calorimeter.halo_share = 0.2;
  EXPECT_GT(count_candidates(options, pion, 300, false), compact + 100);
}

TEST(ParticleFlow, LosesNeutrinosAndForwardTracks) {
  Detector detector(experiment());
  ReconstructedEvent event;
  detector.reconstruct(crossing_of({{100, 0.3F, 1, 12}, {50, 4, 1, 211}}), 1, event);
  ASSERT_EQ(event.candidates.size(), 1U);
  EXPECT_EQ(event.candidates[0].pdg, 1);
  EXPECT_FALSE(event.candidates[0].charged);
}

TEST(ParticleFlow, OrdersChargedBeforeNeutralThenVertexThenEta) {
  Detector detector(experiment());
  ReconstructedEvent event;
  Rng rng(2);
  Crossing crossing;
  crossing.vertex_z = {0, 5, -4};
  for (int i = 0; i < 300; ++i) {
    crossing.particles.push_back(
        {static_cast<float>(1 + 9 * rng.uniform()), static_cast<float>(4 * rng.uniform() - 2),
         static_cast<float>(6 * rng.uniform() - 3), i % 3 == 0 ? 22 : 211});
    crossing.vertex.push_back(i % 3);
  }
  detector.reconstruct(crossing, 2, event);
  ASSERT_GT(event.candidates.size(), 100U);
  EXPECT_EQ(event.num_vertices, 3);
  EXPECT_TRUE(std::is_sorted(
      event.candidates.begin(), event.candidates.end(), [](const Candidate& a, const Candidate& b) {
        return std::tuple(!a.charged, a.vertex, -a.eta) < std::tuple(!b.charged, b.vertex, -b.eta);
      }));
}

TEST(ParticleFlow, GivesTheHardCollisionTheSameFluctuationsWithAndWithoutPileup) {
  Detector detector(experiment());
  Crossing crossing = crossing_of({{80, 0.3F, 1, 211}, {60, 0.5F, 1.2F, 22}, {40, 0, 0.8F, 130}});
  ReconstructedEvent alone;
  detector.reconstruct(crossing, 7, alone);
  crossing.vertex_z.push_back(6);
  for (int i = 0; i < 50; ++i) {  // on the other side, so that nothing overlaps
    crossing.particles.push_back({1 + 0.1F * static_cast<float>(i), -1, -2, i % 2 == 0 ? 22 : 211});
    crossing.vertex.push_back(1);
  }
  ReconstructedEvent together;
  detector.reconstruct(crossing, 7, together);
  ASSERT_GE(alone.candidates.size(), 2U);
  ASSERT_GT(together.candidates.size(), alone.candidates.size());
  for (const Candidate& c : alone.candidates) {
    EXPECT_TRUE(
        std::any_of(together.candidates.begin(), together.candidates.end(),
                    [&](const Candidate& other) { return other.pt == c.pt && other.eta == c.eta; }))
        << c.pdg << " of " << c.pt << " GeV";
  }
  detector.reconstruct(crossing_of({{80, 0.3F, 1, 211}}), 8, together);
  EXPECT_NE(together.candidates[0].pt, alone.candidates[0].pt);
}

TEST(Densities, AreTheMedianOfAUniformEvent) {
  std::vector<Candidate> candidates;
  Rng rng(1);
  constexpr int kCount = 40000;
  for (int i = 0; i < kCount; ++i)
    candidates.push_back(
        {1, 10 * rng.uniform() - 5, 2 * M_PI * rng.uniform() - M_PI, 0, 22, 0, 3, false});
  candidates.push_back({1000, 0, 0, 0, 22, 0, 3, false});  // a jet does not move a median
  const Densities rho = measure_densities(candidates);
  const double expected = kCount / (10 * 2 * M_PI);
  EXPECT_NEAR(rho.all, expected, 0.05 * expected);
  EXPECT_NEAR(rho.central_neutral, expected, 0.05 * expected);
  EXPECT_EQ(rho.central_charged_pileup, 0);
}

}  // namespace
}  // namespace jetcal::sim
