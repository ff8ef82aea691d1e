// SPDX-License-Identifier: Apache-2.0
// Jets whose response follows from what the networks see, made in memory from a seed.
#pragma once

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "jetcal/base/random.h"
#include "jetcal/edm/features.h"
#include "jetcal/edm/jet_columns.h"
#include "jetcal/train/jet_source.h"

namespace jetcal::train {

/// The target grows with the number of particles and their spread; a little noise is added.
inline edm::JetColumns synthetic_jets(std::int64_t num_jets, std::uint64_t seed) {
  Rng rng(seed);
  edm::JetColumns jets;
  for (std::int64_t j = 0; j < num_jets; ++j) {
    const auto particles = static_cast<std::int64_t>(3 + rng.below(10));
    const auto pt_reco = static_cast<float>(30 * std::exp(2 * rng.uniform()));
    double spread = 0;
    for (std::int64_t p = 0; p < particles; ++p) {
      const double d_eta = 0.2 * rng.normal();
      jets.pf_pt.push_back(pt_reco * static_cast<float>(rng.uniform() + 0.01));
      jets.pf_d_eta.push_back(static_cast<float>(d_eta));
      jets.pf_d_phi.push_back(static_cast<float>(0.2 * rng.normal()));
      jets.pf_mass.push_back(0.14F);
      jets.pf_id.push_back(211);
      jets.pf_from_pv.push_back(3);
      jets.pf_from_jet.push_back(1);
      spread += std::abs(d_eta) / static_cast<double>(particles);
    }
    const double y = 0.05 * static_cast<double>(particles - 7) + spread - 0.1 + 0.02 * rng.normal();
    jets.offsets.push_back(jets.offsets.back() + particles);
    jets.pt_reco.push_back(pt_reco);
    jets.pt_gen.push_back(pt_reco * static_cast<float>(std::exp(y)));
    jets.eta.push_back(static_cast<float>(4 * rng.uniform() - 2));
    jets.eta_gen.push_back(jets.eta.back());
    jets.phi.push_back(static_cast<float>(6 * rng.uniform() - 3));
    jets.mass.push_back(static_cast<float>(5 + 10 * rng.uniform()));
    jets.area.push_back(0.5F);
    jets.pt_raw.push_back(pt_reco);
    jets.qg_pt_d.push_back(0.4F);
    jets.qg_axis2.push_back(0.05F);
    jets.qg_mult.push_back(static_cast<std::int32_t>(particles));
    jets.hadron_flavor.push_back(0);
    jets.parton_flavor.push_back(21);
    jets.rho.push_back(20);
    jets.num_vertices.push_back(20);
    jets.num_pileup.push_back(23);
    jets.event.push_back(static_cast<std::uint64_t>(j));
    jets.weight.push_back(1);
  }
  return jets;
}

/// Serves jets from memory.
class MemorySource final : public JetSource {
 public:
  MemorySource(std::string name, edm::JetColumns jets, std::string fingerprint = "0",
               const edm::InputOptions& inputs = edm::InputMode::Constituents)
      : name_(std::move(name)),
        jets_(std::move(jets)),
        fingerprint_(std::move(fingerprint)),
        inputs_(inputs) {}
  std::int64_t num_jets() const override { return jets_.num_jets(); }
  void append_features(std::span<const std::int64_t> rows, edm::FeatureBatch& out) const override {
    const edm::JetView view = jets_.view();
    for (const std::int64_t row : rows) edm::append_features(view, row, inputs_, out);
  }
  std::string fingerprint() const override { return fingerprint_; }
  std::string name() const override { return name_; }
  edm::InputOptions inputs() const override { return inputs_; }

 private:
  std::string name_;
  edm::JetColumns jets_;
  std::string fingerprint_;
  edm::InputOptions inputs_;
};

inline JetSources synthetic_sources(std::int64_t train_jets,
                                    const std::function<void(edm::JetColumns&)>& change = {}) {
  edm::JetColumns train = synthetic_jets(train_jets, 1);
  if (change) change(train);
  return {std::make_unique<MemorySource>("train split", std::move(train)),
          std::make_unique<MemorySource>("validation split", synthetic_jets(200, 2)),
          std::make_unique<MemorySource>("test split", synthetic_jets(200, 3))};
}

}  // namespace jetcal::train
