// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/tracker.h"

#include <algorithm>
#include <cmath>

namespace jetcal::sim {

static std::size_t eta_region(const TrackerOptions& options, double abs_eta) {
  std::size_t region = 0;
  while (region + 1 < options.eta_edges.size() && abs_eta > options.eta_edges[region]) ++region;
  return region;
}

/// Returns the pT of the other charged particles near each charged particle of the hard collision.
static std::vector<double> crowding(const Crossing& crossing, double cone) {
  std::vector<double> sum(crossing.particles.size(), 0);
  std::vector<std::size_t> charged;
  for (std::size_t i = 0; i < crossing.particles.size() && crossing.vertex[i] == 0; ++i) {
    const Particle& p = crossing.particles[i];
    if (p.pt > 1 && charge_of(p.pdg) != 0) charged.push_back(i);
  }
  for (std::size_t a = 0; a < charged.size(); ++a) {
    const Particle& p = crossing.particles[charged[a]];
    for (std::size_t b = a + 1; b < charged.size(); ++b) {
      const Particle& q = crossing.particles[charged[b]];
      const double d_eta = p.eta - q.eta;
      if (std::abs(d_eta) > cone) continue;
      if (std::hypot(d_eta, wrap_phi(p.phi - q.phi)) > cone) continue;
      sum[charged[a]] += q.pt;
      sum[charged[b]] += p.pt;
    }
  }
  return sum;
}

static std::int32_t identify(const Particle& p, const TrackerOptions& options, Rng& rng) {
  const Species species = species_of(p.pdg);
  const double draw = rng.uniform();
  const bool electron = species == Species::Electron && p.pt > 2;
  const bool muon = species == Species::Muon && p.pt > 1;
  if (electron && draw < options.electron_efficiency) return p.pdg;
  if (muon && draw < options.muon_efficiency) return p.pdg;
  return charge_of(p.pdg) * 211;
}

static void find_tracks(const CrossingInFlight& crossing, const TrackerOptions& options,
                        CrossingRandom& random, TrackerHits& hits) {
  const std::vector<double> crowd = crowding(crossing, options.dense_cone);
  for (std::size_t i = 0; i < crossing.particles.size(); ++i) {
    const Particle& p = crossing.particles[i];
    const double abs_eta = std::abs(p.eta);
    if (charge_of(p.pdg) == 0 || abs_eta > options.max_eta || p.pt < options.min_pt) continue;
    Rng& rng = random.of(crossing.vertex[i]);
    const std::size_t region = eta_region(options, abs_eta);
    double efficiency = p.pt < 1 ? options.efficiency_low[region] : options.efficiency_high[region];
    const double turn = p.pt / options.turn_on[region];
    if (turn < 3) efficiency *= 1 - std::exp(-turn * turn);
    efficiency *= 1 - options.dense_loss * crowd[i] / (crowd[i] + options.dense_scale);
    const bool displaced = crossing.displaced[i] != 0;
    if (displaced) efficiency *= options.displaced_efficiency;
    if (rng.uniform() >= efficiency) continue;
    const double relative =
        std::hypot(options.resolution_constant[region], options.resolution_slope[region] * p.pt);
    Track track{};
    track.particle = static_cast<std::int64_t>(i);
    track.pt = p.pt * std::exp(relative * rng.normal());
    track.eta = p.eta + 0.0005 * rng.normal();
    track.phi = wrap_phi(p.phi + 0.0005 * rng.normal());
    track.pdg = identify(p, options, rng);
    const double from_origin = displaced ? options.displaced_z : 0;
    const double sigma_z =
        std::hypot(options.z_constant, options.z_slope / p.pt) * std::cosh(p.eta) + from_origin;
    track.z =
        crossing.vertex_z[static_cast<std::size_t>(crossing.vertex[i])] + sigma_z * rng.normal();
    hits.track_of[i] = static_cast<std::int32_t>(hits.tracks.size());
    hits.tracks.push_back(track);
  }
}

/// Returns the places of the reconstructed vertices, the hard one first. A pileup collision needs
/// some tracks above 0.3 GeV, and its own place along the beam.
static std::vector<double> find_vertices(const Crossing& crossing, const TrackerOptions& options,
                                         CrossingRandom& random, const TrackerHits& hits) {
  std::vector<int> num_tracks(crossing.vertex_z.size(), 0);
  for (const Track& track : hits.tracks) {
    const auto row = static_cast<std::size_t>(track.particle);
    if (track.pt > 0.3) ++num_tracks[static_cast<std::size_t>(crossing.vertex[row])];
  }
  std::vector<double> places;
  for (std::size_t v = 0; v < crossing.vertex_z.size(); ++v) {
    const double place =
        crossing.vertex_z[v] + 0.003 * random.of(static_cast<std::int32_t>(v)).normal();
    if (v > 0 && num_tracks[v] < options.min_vertex_tracks) continue;
    const bool merged = std::any_of(places.begin(), places.end(), [&](double other) {
      return std::abs(other - place) < options.vertex_merge_distance;
    });
    if (!merged) places.push_back(place);
  }
  return places;
}

void reconstruct_tracks(const CrossingInFlight& crossing, const TrackerOptions& options,
                        CrossingRandom& random, TrackerHits& hits) {
  hits.tracks.clear();
  hits.track_of.assign(crossing.particles.size(), -1);
  find_tracks(crossing, options, random, hits);
  const std::vector<double> places = find_vertices(crossing, options, random, hits);
  hits.num_vertices = static_cast<int>(places.size());
  for (Track& track : hits.tracks) {
    const auto nearest = std::min_element(places.begin(), places.end(), [&](double a, double b) {
      return std::abs(a - track.z) < std::abs(b - track.z);
    });
    track.vertex = static_cast<int>(nearest - places.begin());
    const auto row = static_cast<std::size_t>(track.particle);
    const std::int32_t origin = crossing.vertex[row];
    const double used = options.in_vertex_fit[track.pt < 1 ? 0 : 1];
    const bool in_fit = random.of(origin).uniform() < used && crossing.displaced[row] == 0;
    if (track.vertex == 0)
      track.from_pv = in_fit ? 3 : 2;
    else
      track.from_pv = in_fit ? 0 : 1;
  }
}

}  // namespace jetcal::sim
