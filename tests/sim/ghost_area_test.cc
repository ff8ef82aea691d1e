// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/ghost_area.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fastjet/ClusterSequence.hh>

#include "jetcal/base/random.h"

namespace jetcal::sim {
namespace {

JetOptions jet_options(double max_rapidity) {
  JetOptions options;
  options.radius = 0.4;
  options.ghost_area = 0.01;
  options.ghost_max_rapidity = max_rapidity;
  return options;
}

fastjet::PseudoJet massless(double pt, double eta, double phi, int index) {
  fastjet::PseudoJet jet(pt * std::cos(phi), pt * std::sin(phi), pt * std::sinh(eta),
                         pt * std::cosh(eta));
  jet.set_user_index(index);
  return jet;
}

/// A few hard cores in soft particles that fill the event.
std::vector<fastjet::PseudoJet> toy_event(std::uint64_t seed) {
  Rng rng(seed);
  std::vector<fastjet::PseudoJet> particles;
  for (int core = 0; core < 8; ++core) {
    const double eta = 6 * rng.uniform() - 3;
    const double phi = 2 * M_PI * rng.uniform();
    const double pt = 5 * std::exp(3 * rng.uniform());
    for (int i = 0; i < 12; ++i)
      particles.push_back(massless(pt * rng.exponential(), eta + 0.15 * rng.normal(),
                                   phi + 0.15 * rng.normal(), i));
  }
  for (int i = 0; i < 400; ++i)
    particles.push_back(massless(0.2 + 0.5 * rng.exponential(), 8 * rng.uniform() - 4,
                                 2 * M_PI * rng.uniform(), i));
  return particles;
}

TEST(GhostCount, IsThatOfClusteringTheGhosts) {
  const fastjet::JetDefinition definition(fastjet::antikt_algorithm, 0.4);
  int num_jets = 0;
  int num_other = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const GhostGrid grid(jet_options(3.2), seed);
    std::vector<fastjet::PseudoJet> particles = toy_event(seed);
    const fastjet::ClusterSequence plain(particles, definition);
    const std::vector<int> counts = count_ghosts(plain, grid, 0.4);
    const auto jets = fastjet::sorted_by_pt(plain.inclusive_jets(1));
    for (std::size_t g = 0; g < grid.phi.size(); ++g)
      particles.push_back(massless(1e-100, grid.rapidity[g], grid.phi[g], -1));
    const fastjet::ClusterSequence full(particles, definition);
    const auto expected = fastjet::sorted_by_pt(full.inclusive_jets(1));
    ASSERT_EQ(jets.size(), expected.size());
    for (std::size_t i = 0; i < jets.size(); ++i) {
      ASSERT_EQ(jets[i].pt(), expected[i].pt());
      int want = 0;
      for (const auto& part : expected[i].constituents()) want += part.user_index() < 0 ? 1 : 0;
      const int got = counts[static_cast<std::size_t>(jets[i].cluster_hist_index())];
      EXPECT_NEAR(got, want, 1) << jets[i].pt();
      num_other += got == want ? 0 : 1;
      ++num_jets;
    }
  }
  // Distances of the history may fall by a hair where a merger moved an axis; no more than that.
  EXPECT_GT(num_jets, 200);
  EXPECT_LE(num_other, num_jets / 100);
}

TEST(GhostGrid, KeepsItsInnerRowsWhenItGrows) {
  const GhostGrid narrow(jet_options(2), 7);
  const GhostGrid wide(jet_options(3), 7);
  ASSERT_EQ(wide.num_rows, narrow.num_rows + 20);
  const std::size_t shift = 10 * static_cast<std::size_t>(wide.num_columns);
  for (std::size_t g = 0; g < narrow.phi.size(); ++g) {
    ASSERT_EQ(narrow.rapidity[g], wide.rapidity[g + shift]);
    ASSERT_EQ(narrow.phi[g], wide.phi[g + shift]);
  }
  EXPECT_NEAR(narrow.cell_area(), 0.01, 1e-4);
}

}  // namespace
}  // namespace jetcal::sim
