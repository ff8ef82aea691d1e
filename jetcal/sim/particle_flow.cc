// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/particle_flow.h"

#include <algorithm>
#include <cmath>

namespace jetcal::sim {

namespace {

Candidate neutral(double energy, double eta, double phi, std::int32_t pdg) {
  return {energy / std::cosh(eta), eta, phi, 0, pdg, 0, 3, false};
}

}  // namespace

Detector::Detector(const ExperimentOptions& options)
    : options_(options), calorimeter_(options.calorimeter) {
  cluster_of_.assign(calorimeter_.hcal.size(), -1);
  ecal_group_.assign(calorimeter_.ecal.size(), -1);
  ecal_seed_.assign(calorimeter_.ecal.size(), -1);
}

void Detector::fill_calorimeter(const Crossing& crossing, CrossingRandom& random) {
  for (const int cell : calorimeter_.hcal.hit()) cluster_of_[static_cast<std::size_t>(cell)] = -1;
  for (const int cell : calorimeter_.ecal.hit())
    ecal_group_[static_cast<std::size_t>(cell)] = ecal_seed_[static_cast<std::size_t>(cell)] = -1;
  calorimeter_.clear();
  impacts_.assign(hits_.tracks.size(), {});
  for (std::size_t i = 0; i < crossing.particles.size(); ++i) {
    const Particle& p = crossing.particles[i];
    const Impact at = calorimeter_.propagate(p);
    const std::int32_t track = hits_.track_of[i];
    if (track >= 0) impacts_[static_cast<std::size_t>(track)] = at;
    // An identified electron takes its ECAL cluster with it.
    if (track >= 0 && std::abs(hits_.tracks[static_cast<std::size_t>(track)].pdg) == 11) continue;
    calorimeter_.deposit(p, at, random.of(crossing.vertex[i]));
  }
  calorimeter_.suppress();
}

/// Moves the energy of each crystal beside a stronger one there, up to the local maximum.
void Detector::cluster_crystals() {
  CellGrid& ecal = calorimeter_.ecal;
  for (const int cell : ecal.hit()) {
    int best = cell;
    const int step = calorimeter_.crystal_step(cell);
    for (int d_eta = -step; d_eta <= step; d_eta += step) {
      for (int d_phi = -step; d_phi <= step; d_phi += step) {
        const int other = ecal.neighbor(cell, d_eta, d_phi);
        if (other >= 0 && ecal.energy(other) > ecal.energy(best)) best = other;
      }
    }
    ecal_seed_[static_cast<std::size_t>(cell)] = best;
  }
  for (const int cell : ecal.hit()) {
    int& seed = ecal_seed_[static_cast<std::size_t>(cell)];
    while (ecal_seed_[static_cast<std::size_t>(seed)] != seed)
      seed = ecal_seed_[static_cast<std::size_t>(seed)];
  }
  for (const int cell : ecal.hit()) {
    const int seed = ecal_seed_[static_cast<std::size_t>(cell)];
    if (seed != cell) ecal.move(cell, seed);
  }
}

/// Gives each tower to the local maximum that steepest ascent leads to: one group each.
void Detector::cluster_towers() {
  const CellGrid& hcal = calorimeter_.hcal;
  groups_.clear();
  const auto ascend = [&](int cell) {
    int best = cell;
    // CMS: local maxima among the four towers that share an edge.
    for (const auto& [d_eta, d_phi] : {std::pair{-1, 0}, {1, 0}, {0, -1}, {0, 1}}) {
      const int other = hcal.neighbor(cell, d_eta, d_phi);
      if (other >= 0 && hcal.energy(other) > hcal.energy(best)) best = other;
    }
    return best;
  };
  for (const int cell : hcal.hit()) {
    if (hcal.energy(cell) > 0 && ascend(cell) == cell) {
      cluster_of_[static_cast<std::size_t>(cell)] = static_cast<int>(groups_.size());
      groups_.emplace_back();
    }
  }
  for (const int cell : hcal.hit()) {
    if (hcal.energy(cell) <= 0) continue;
    int top = cell;
    for (int next = ascend(top); next != top; next = ascend(top)) top = next;
    const int cluster = cluster_of_[static_cast<std::size_t>(top)];
    cluster_of_[static_cast<std::size_t>(cell)] = cluster;
    groups_[static_cast<std::size_t>(cluster)].hcal.add(hcal.energy(cell), hcal.eta(cell),
                                                        hcal.phi(cell));
  }
}

void Detector::link_tracks(const Crossing& crossing) {
  const CellGrid& hcal = calorimeter_.hcal;
  const CellGrid& ecal = calorimeter_.ecal;
  for (std::size_t t = 0; t < hits_.tracks.size(); ++t) {
    const Track& track = hits_.tracks[t];
    const int kind = std::abs(track.pdg);
    if (!impacts_[t].reached || kind == 11) continue;
    const int tower = hcal.find(impacts_[t].eta, impacts_[t].phi);
    const int crystal = calorimeter_.crystal(impacts_[t].eta, impacts_[t].phi);
    // The cluster of that crystal, -1 where nothing hit it.
    const int cell = crystal >= 0 ? ecal_seed_[static_cast<std::size_t>(crystal)] : -1;
    int best = -1;
    for (int d_eta = -1; tower >= 0 && d_eta <= 1; ++d_eta) {
      for (int d_phi = -1; d_phi <= 1; ++d_phi) {
        const int other = hcal.neighbor(tower, d_eta, d_phi);
        if (other < 0 || hcal.energy(other) <= 0) continue;
        // The tower that the track points to comes first, then the strongest around it.
        if (other == tower) best = tower;
        if (best != tower && (best < 0 || hcal.energy(other) > hcal.energy(best))) best = other;
      }
    }
    int group = best >= 0 ? cluster_of_[static_cast<std::size_t>(best)] : -1;
    const int claimed = cell >= 0 ? ecal_group_[static_cast<std::size_t>(cell)] : -1;
    if (group < 0) group = claimed;
    if (group < 0) {
      group = static_cast<int>(groups_.size());
      groups_.emplace_back();
    }
    Group& g = groups_[static_cast<std::size_t>(group)];
    if (cell >= 0 && claimed < 0 && ecal.energy(cell) > 0) {
      ecal_group_[static_cast<std::size_t>(cell)] = group;
      g.ecal.add(ecal.energy(cell), ecal.eta(cell), ecal.phi(cell));
    }
    constexpr double kMuonDeposit = 2.3;
    const Particle& p = crossing.particles[static_cast<std::size_t>(track.particle)];
    const double momentum = track.pt * std::cosh(static_cast<double>(p.eta));
    g.track_momentum += kind == 13 ? std::min(momentum, kMuonDeposit) : momentum;
    ++g.num_tracks;
  }
}

void Detector::add_charged(ReconstructedEvent& event) const {
  for (const Track& track : hits_.tracks) {
    const double mass = mass_of(track.pdg);
    event.candidates.push_back(
        {track.pt, track.eta, track.phi, mass, track.pdg, track.vertex, track.from_pv, true});
  }
}

void Detector::add_neutrals_of(const Group& group, ReconstructedEvent& event) const {
  const ParticleFlowOptions& flow = options_.particle_flow;
  const double hcal_eta = group.hcal.eta();
  const double hcal_phi = group.hcal.phi();
  const double min_hadron = flow.hadron_min_energy[Calorimeter::hadron_region(hcal_eta)];
  if (group.num_tracks == 0) {
    const double energy = calorimeter_.calibrate(group.hcal.energy);
    if (energy > min_hadron) event.candidates.push_back(neutral(energy, hcal_eta, hcal_phi, 130));
    return;
  }
  const double calibrated = calorimeter_.calibrate(group.hcal.energy + group.ecal.energy);
  const double excess = calibrated - group.track_momentum;
  const double eta = group.hcal.energy > 0 ? hcal_eta : group.ecal.eta();
  const double sigma = calorimeter_.hadron_resolution(group.track_momentum, eta);
  if (excess < flow.excess_significance * sigma) return;
  const double photon = std::min(excess, group.ecal.energy);
  if (photon > flow.photon_min_energy)
    event.candidates.push_back(neutral(photon, group.ecal.eta(), group.ecal.phi(), 22));
  if (group.hcal.energy > 0 && excess - photon > min_hadron)
    event.candidates.push_back(neutral(excess - photon, hcal_eta, hcal_phi, 130));
}

void Detector::add_free_cells(ReconstructedEvent& event) const {
  const CellGrid& ecal = calorimeter_.ecal;
  for (const int cell : ecal.hit()) {
    if (ecal.energy(cell) <= 0 || ecal_group_[static_cast<std::size_t>(cell)] >= 0) continue;
    const double eta = ecal.eta(cell);
    if (ecal.energy(cell) > calorimeter_.min_photon_energy(eta))
      event.candidates.push_back(neutral(ecal.energy(cell), eta, ecal.phi(cell), 22));
  }
}

void Detector::add_forward(ReconstructedEvent& event) const {
  const double min_energy = options_.calorimeter.hf_min_energy;
  const CellGrid& had = calorimeter_.hf_had;
  const CellGrid& em = calorimeter_.hf_em;
  for (const int cell : had.hit()) {
    if (had.energy(cell) > min_energy)
      event.candidates.push_back(neutral(had.energy(cell), had.eta(cell), had.phi(cell), 1));
  }
  for (const int cell : em.hit()) {
    if (em.energy(cell) > min_energy)
      event.candidates.push_back(neutral(em.energy(cell), em.eta(cell), em.phi(cell), 2));
  }
}

void Detector::reconstruct(const Crossing& crossing, std::uint64_t seed,
                           ReconstructedEvent& event) {
  CrossingRandom random(seed);
  event.candidates.clear();
  fly(crossing, options_.tracker, random, in_flight_);
  reconstruct_tracks(in_flight_, options_.tracker, random, hits_);
  event.num_vertices = hits_.num_vertices;
  fill_calorimeter(in_flight_, random);
  cluster_crystals();
  cluster_towers();
  link_tracks(in_flight_);
  add_charged(event);
  for (const Group& group : groups_) add_neutrals_of(group, event);
  add_free_cells(event);
  add_forward(event);
  std::stable_sort(event.candidates.begin(), event.candidates.end(),
                   [](const Candidate& a, const Candidate& b) {
                     if (a.charged != b.charged) return a.charged;
                     if (a.vertex != b.vertex) return a.vertex < b.vertex;
                     return a.eta > b.eta;
                   });
}

}  // namespace jetcal::sim
