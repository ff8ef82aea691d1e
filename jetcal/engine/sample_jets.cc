// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/sample_jets.h"

#include <cmath>

#include "jetcal/base/random.h"

namespace jetcal::engine {
namespace {

void append_particle(double pt_jet, const edm::InputOptions& inputs, Rng& rng,
                     edm::FeatureBatch& batch) {
  // Most particles are soft, and lie near the axis.
  const double pt = pt_jet * std::exp(-1 - 6 * rng.uniform());
  const double d_eta = 0.15 * rng.normal();
  const double d_phi = 0.15 * rng.normal();
  for (const double value : {d_eta, d_phi}) batch.points.push_back(static_cast<float>(value));
  for (const double value : {std::log(pt), std::log(pt / pt_jet), d_eta, d_phi,
                             std::atan2(d_phi, d_eta), std::hypot(d_eta, d_phi)})
    batch.particles.push_back(static_cast<float>(value));
  if (inputs.features == edm::FeatureSet::Published) return;
  // Mass, one of six kinds, one of four associations.
  const std::size_t first = batch.particles.size();
  batch.particles.resize(first + edm::kExtendedParticleFeatureNames.size(), 0.0F);
  batch.particles[first] = 0.14F;
  batch.particles[first + 1 + rng.below(6)] = 1;
  batch.particles[first + 7 + rng.below(4)] = 1;
}

}  // namespace

edm::FeatureBatch sample_jets(std::int64_t num_jets, std::int64_t min_particles,
                              std::int64_t max_particles, std::uint64_t seed,
                              const edm::InputOptions& inputs) {
  Rng rng(seed);
  edm::FeatureBatch batch;
  batch.particle_features = edm::num_particle_features(inputs);
  batch.jet_features = edm::num_jet_features(inputs);
  for (std::int64_t j = 0; j < num_jets; ++j) {
    const double pt = 30 * std::exp(rng.exponential());
    const auto spread = static_cast<std::uint64_t>(max_particles - min_particles + 1);
    const std::int64_t n = min_particles + static_cast<std::int64_t>(rng.below(spread));
    for (std::int64_t i = 0; i < n; ++i) append_particle(pt, inputs, rng, batch);
    for (const double value :
         {std::log(pt), 5 * rng.uniform() - 2.5, 6.28 * rng.uniform() - 3.14,
          0.15 * pt * rng.uniform(), 0.5 + 0.02 * rng.normal(), 0.2 + 0.6 * rng.uniform(),
          0.1 * rng.uniform(), static_cast<double>(n)})
      batch.jets.push_back(static_cast<float>(value));
    if (inputs.features == edm::FeatureSet::Extended) {
      batch.jets.push_back(static_cast<float>(40 * rng.uniform()));
      batch.jets.push_back(static_cast<float>(rng.below(60)));
    }
    if (inputs.reference == edm::Reference::Raw)
      batch.jets.push_back(static_cast<float>(0.1 * rng.normal()));
    batch.offsets.push_back(batch.offsets.back() + n);
    batch.target.push_back(static_cast<float>(0.1 * rng.normal()));
  }
  return batch;
}

}  // namespace jetcal::engine
