// SPDX-License-Identifier: Apache-2.0
// The parameters of the simulated experiment; defaults and their sources are in
// cards/cms_run2.yaml.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jetcal/base/config.h"

namespace jetcal::sim {

struct GeneratorOptions {
  std::vector<std::string> hard, pileup;  ///< Lines for PYTHIA.
};

struct PileupOptions {
  double mean = 0, relative_width = 0, maximum = 0, vertex_sigma_z = 0;
};

struct TrackerOptions {
  double max_eta = 0, min_pt = 0;
  std::vector<double> eta_edges, turn_on, efficiency_low, efficiency_high, resolution_constant,
      resolution_slope;
  double dense_loss = 0, dense_scale = 0, dense_cone = 0;
  double z_constant = 0, z_slope = 0;
  std::vector<double> in_vertex_fit;
  std::vector<double> interaction;
  double vertex_merge_distance = 0, decay_radius = 0, displaced_efficiency = 0, displaced_z = 0;
  int min_vertex_tracks = 0;
  double electron_efficiency = 0, muon_efficiency = 0;
};

struct CalorimeterOptions {
  double radius = 0, half_length = 0, magnetic_field = 0;
  double ecal_cell = 0, ecal_stochastic = 0, ecal_noise = 0, ecal_constant = 0;
  std::vector<double> ecal_min_energy, conversion, photon_loss, photon_loss_pt, gap_eta;
  double gap_response = 0;
  double hcal_cell = 0;
  std::vector<double> hcal_stochastic, hcal_constant, hcal_min_energy;
  double shower_radius = 0, halo_share = 0, halo_radius = 0;
  double ecal_start = 0, ecal_fragments = 0, fragment_energy = 0, fragment_radius = 0,
         fragment_saturation = 0;
  double h_over_e = 0, power = 0, calibration_scale = 0;
  double hf_cell = 0, hf_em_constant = 0, hf_em_stochastic = 0, hf_had_constant = 0,
         hf_had_stochastic = 0, hf_min_energy = 0, hf_response = 0;
};

struct ParticleFlowOptions {
  double excess_significance = 0, photon_min_energy = 0;
  std::vector<double> hadron_min_energy;
};

struct JetOptions {
  double radius = 0, ghost_area = 0, ghost_max_rapidity = 0, gen_min_pt = 0, match_radius = 0,
         min_pt = 0, max_eta = 0;
  std::string parton_flavor = "summer16";  ///< or "cmssw9"

  bool takes_any_parton() const { return parton_flavor == "cmssw9"; }
};

struct ExperimentOptions {
  GeneratorOptions generator;
  PileupOptions pileup;
  TrackerOptions tracker;
  CalorimeterOptions calorimeter;
  ParticleFlowOptions particle_flow;
  JetOptions jets;
};

/// Returns the compiled-in card with the fields of `overrides` in place of its own. Throws
/// InvalidArgument for a value out of range or a list of the wrong length.
ExperimentOptions read_experiment(const Config& overrides);

/// Returns a text that differs wherever two experiments differ; for fingerprints.
std::string describe(const ExperimentOptions& options);

}  // namespace jetcal::sim
