// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/in_flight.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace jetcal::sim {

namespace {

/// A momentum with its energy.
struct FourVector {
  double x, y, z, e;
};

FourVector four_vector(const Particle& p, double mass) {
  const double pt = p.pt;
  const double z = pt * std::sinh(static_cast<double>(p.eta));
  return {pt * std::cos(static_cast<double>(p.phi)), pt * std::sin(static_cast<double>(p.phi)), z,
          std::sqrt(pt * pt + z * z + mass * mass)};
}

Particle to_particle(const FourVector& v, std::int32_t pdg) {
  const double pt = std::max(std::sqrt(v.x * v.x + v.y * v.y), 1e-6);
  return {static_cast<float>(pt), static_cast<float>(std::asinh(v.z / pt)),
          static_cast<float>(std::atan2(v.y, v.x)), pdg};
}

/// Takes a momentum from the rest frame of `mother` (of this mass) to the laboratory.
FourVector boost(const FourVector& v, const FourVector& mother, double mass) {
  const double product = v.x * mother.x + v.y * mother.y + v.z * mother.z;
  const double energy = (mother.e * v.e + product) / mass;
  const double along = (v.e + energy) / (mother.e + mass);
  return {v.x + along * mother.x, v.y + along * mother.y, v.z + along * mother.z, energy};
}

/// Decays `mother` (of mass m) evenly in all directions into two of masses a and b.
std::pair<FourVector, FourVector> split(const FourVector& mother, double m, double a, double b,
                                        Rng& rng) {
  const double sum = m * m - (a + b) * (a + b);
  const double difference = m * m - (a - b) * (a - b);
  const double momentum = std::sqrt(std::max(sum * difference, 0.0)) / (2 * m);
  const double cosine = 2 * rng.uniform() - 1;
  const double sine = std::sqrt(1 - cosine * cosine);
  const double angle = 2 * M_PI * rng.uniform();
  const double x = momentum * sine * std::cos(angle);
  const double y = momentum * sine * std::sin(angle);
  const double z = momentum * cosine;
  const double square = momentum * momentum;
  return {boost({x, y, z, std::sqrt(square + a * a)}, mother, m),
          boost({-x, -y, -z, std::sqrt(square + b * b)}, mother, m)};
}

constexpr double kPionMass = 0.13957;
constexpr double kNeutralPionMass = 0.13498;

void add_photons(const FourVector& pion, Rng& rng, std::vector<Particle>& out) {
  const auto [first, second] = split(pion, kNeutralPionMass, 0, 0, rng);
  out.push_back(to_particle(first, 22));
  out.push_back(to_particle(second, 22));
}

void decay_kaon(const FourVector& kaon, double mass, Rng& rng, std::vector<Particle>& out) {
  constexpr double kChargedShare = 0.692;  // PDG
  if (rng.uniform() < kChargedShare) {
    const auto [first, second] = split(kaon, mass, kPionMass, kPionMass, rng);
    out.push_back(to_particle(first, 211));
    out.push_back(to_particle(second, -211));
    return;
  }
  const auto [first, second] = split(kaon, mass, kNeutralPionMass, kNeutralPionMass, rng);
  add_photons(first, rng, out);
  add_photons(second, rng, out);
}

void decay_lambda(const FourVector& lambda, double mass, int sign, Rng& rng,
                  std::vector<Particle>& out) {
  constexpr double kChargedShare = 0.641;  // PDG
  if (rng.uniform() < kChargedShare) {
    const auto [proton, pion] = split(lambda, mass, mass_of(2212), kPionMass, rng);
    out.push_back(to_particle(proton, sign * 2212));
    out.push_back(to_particle(pion, -sign * 211));
    return;
  }
  const auto [neutron, pion] = split(lambda, mass, mass_of(2112), kNeutralPionMass, rng);
  out.push_back(to_particle(neutron, sign * 2112));
  add_photons(pion, rng, out);
}

/// Lets a hadron break up on a nucleus: a few pions and nucleons share its momentum, each with a
/// sideways kick of a few hundred MeV.
void interact(const Particle& hadron, Rng& rng, std::vector<Particle>& out) {
  constexpr double kKick = 0.3;                // GeV in each direction
  constexpr double kMultiplicityGrowth = 0.6;  // secondaries per unit of ln p
  constexpr std::size_t kMaxSecondaries = 8;
  const double momentum = momentum_of(hadron);
  const auto extra = rng.poisson(kMultiplicityGrowth * std::log(std::max(momentum, 1.0)));
  const std::size_t count = std::min(static_cast<std::size_t>(2 + extra), kMaxSecondaries);
  double shares[kMaxSecondaries];
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += shares[i] = rng.exponential();
  const FourVector whole = four_vector(hadron, 0);
  for (std::size_t i = 0; i < count; ++i) {
    const double part = shares[i] / sum;
    const double kick = std::min(kKick, 0.5 * part * momentum);
    FourVector v{part * whole.x + kick * rng.normal(), part * whole.y + kick * rng.normal(),
                 part * whole.z + kick * rng.normal(), 0};
    const double kind = rng.uniform();
    if (kind < 0.60) {
      out.push_back(to_particle(v, kind < 0.30 ? 211 : -211));
    } else if (kind < 0.85) {
      v.e = std::sqrt(v.x * v.x + v.y * v.y + v.z * v.z + kNeutralPionMass * kNeutralPionMass);
      add_photons(v, rng, out);
    } else {
      out.push_back(to_particle(v, 2112));
    }
  }
}

/// Adds what becomes of one particle; returns whether it was not the particle itself.
bool fly_one(const Particle& p, const TrackerOptions& options, Rng& rng,
             std::vector<Particle>& out) {
  constexpr double kKaonLength = 2.684;  // c tau in cm, PDG
  constexpr double kLambdaLength = 7.89;
  constexpr double kMinMomentum = 1;  // softer hadrons that interact are lost: the efficiency
  const int number = std::abs(p.pdg);
  if (number == 310 || number == 3122) {
    const double mass = mass_of(p.pdg);
    const double length = number == 310 ? kKaonLength : kLambdaLength;
    if (rng.exponential() * length * p.pt / mass < options.decay_radius) {
      if (number == 310)
        decay_kaon(four_vector(p, mass), mass, rng, out);
      else
        decay_lambda(four_vector(p, mass), mass, p.pdg < 0 ? -1 : 1, rng, out);
      return true;
    }
  }
  const Species species = species_of(p.pdg);
  const bool hadron = species == Species::ChargedHadron || species == Species::NeutralHadron;
  const double abs_eta = std::abs(p.eta);
  if (hadron && p.pt > kMinMomentum && abs_eta < options.max_eta) {
    const double probability = options.interaction[abs_eta < 1.48 ? 0 : 1];
    if (rng.uniform() < probability) {
      interact(p, rng, out);
      return true;
    }
  }
  out.push_back(p);
  return false;
}

}  // namespace

void fly(const Crossing& crossing, const TrackerOptions& options, CrossingRandom& random,
         CrossingInFlight& out) {
  out.particles.clear();
  out.vertex.clear();
  out.displaced.clear();
  out.vertex_z = crossing.vertex_z;
  out.num_pileup = crossing.num_pileup;
  out.mean_pileup = crossing.mean_pileup;
  for (std::size_t i = 0; i < crossing.particles.size(); ++i) {
    const std::int32_t vertex = crossing.vertex[i];
    const bool changed = fly_one(crossing.particles[i], options, random.of(vertex), out.particles);
    out.vertex.resize(out.particles.size(), vertex);
    out.displaced.resize(out.particles.size(), changed ? 1 : 0);
  }
}

}  // namespace jetcal::sim
