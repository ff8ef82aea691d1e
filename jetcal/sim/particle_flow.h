// SPDX-License-Identifier: Apache-2.0
// Particle flow: one list of candidates from tracks and calorimeter cells, in the order of CMS's
// files.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "jetcal/base/random.h"
#include "jetcal/sim/calorimeter.h"
#include "jetcal/sim/options.h"
#include "jetcal/sim/tracker.h"

namespace jetcal::sim {

/// A particle-flow candidate.
struct Candidate {
  double pt, eta, phi, mass;
  std::int32_t pdg;      ///< 211, 11, 13 with sign; 22, 130; forward: 1 hadronic, 2 electromagnetic
  std::int32_t vertex;   ///< reconstructed vertex; neutrals have 0
  std::uint8_t from_pv;  ///< as Track::from_pv; neutrals have 3
  bool charged;
};

struct ReconstructedEvent {
  std::vector<Candidate> candidates;
  int num_vertices = 0;
};

/// Simulates the detector for a crossing and reconstructs it. One object per worker; not for
/// several threads at a time.
class Detector {
 public:
  explicit Detector(const ExperimentOptions& options);
  /// Fills `event`: charged candidates before neutral ones, then by vertex, then eta descending.
  /// The same seed gives the particles of the hard collision the same fluctuations whatever pileup
  /// comes with them.
  void reconstruct(const Crossing& crossing, std::uint64_t seed, ReconstructedEvent& event);

 private:
  /// A sum of deposits with its centre.
  struct Deposit {
    double energy = 0, eta_sum = 0, x_sum = 0, y_sum = 0;
    void add(double e, double eta, double phi) {
      energy += e;
      eta_sum += e * eta;
      x_sum += e * std::cos(phi);
      y_sum += e * std::sin(phi);
    }
    double eta() const { return energy > 0 ? eta_sum / energy : 0; }
    double phi() const { return std::atan2(y_sum, x_sum); }
  };
  /// A hadronic cluster with the tracks that point to it and the ECAL cells those tracks hit.
  struct Group {
    Deposit hcal, ecal;
    double track_momentum = 0;
    int num_tracks = 0;
  };
  void fill_calorimeter(const Crossing& crossing, CrossingRandom& random);
  void cluster_crystals();
  void cluster_towers();
  void link_tracks(const Crossing& crossing);
  void add_charged(ReconstructedEvent& event) const;
  void add_neutrals_of(const Group& group, ReconstructedEvent& event) const;
  void add_free_cells(ReconstructedEvent& event) const;
  void add_forward(ReconstructedEvent& event) const;

  const ExperimentOptions& options_;
  Calorimeter calorimeter_;
  CrossingInFlight in_flight_;
  TrackerHits hits_;
  std::vector<Impact> impacts_;  // of each track
  std::vector<int> cluster_of_;  // of each hadronic tower: index of its group, -1 none
  std::vector<int> ecal_group_;  // of each ECAL cell: index of the group that claims it
  std::vector<int> ecal_seed_;   // of each ECAL cell: the cell that has its energy
  std::vector<Group> groups_;    // clusters first, then tracks without a cluster
};

}  // namespace jetcal::sim
