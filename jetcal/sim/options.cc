// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/options.h"

#include <sstream>

#include "jetcal/sim/cards.h"

namespace jetcal::sim {

/// Calls visit(name, field, length) for every field; length is that of a list, 0 for free or none.
template <typename Options, typename Visit>
static void visit_fields(Options& o, Visit&& visit) {
  visit("generator.hard", o.generator.hard, 0);
  visit("generator.pileup", o.generator.pileup, 0);
  visit("pileup.mean", o.pileup.mean, 0);
  visit("pileup.relative_width", o.pileup.relative_width, 0);
  visit("pileup.maximum", o.pileup.maximum, 0);
  visit("pileup.vertex_sigma_z", o.pileup.vertex_sigma_z, 0);
  visit("tracker.max_eta", o.tracker.max_eta, 0);
  visit("tracker.min_pt", o.tracker.min_pt, 0);
  visit("tracker.turn_on", o.tracker.turn_on, 3);
  visit("tracker.eta_edges", o.tracker.eta_edges, 3);
  visit("tracker.efficiency_low", o.tracker.efficiency_low, 3);
  visit("tracker.efficiency_high", o.tracker.efficiency_high, 3);
  visit("tracker.resolution_constant", o.tracker.resolution_constant, 3);
  visit("tracker.resolution_slope", o.tracker.resolution_slope, 3);
  visit("tracker.dense_loss", o.tracker.dense_loss, 0);
  visit("tracker.dense_scale", o.tracker.dense_scale, 0);
  visit("tracker.dense_cone", o.tracker.dense_cone, 0);
  visit("tracker.z_constant", o.tracker.z_constant, 0);
  visit("tracker.z_slope", o.tracker.z_slope, 0);
  visit("tracker.in_vertex_fit", o.tracker.in_vertex_fit, 2);
  visit("tracker.decay_radius", o.tracker.decay_radius, 0);
  visit("tracker.interaction", o.tracker.interaction, 2);
  visit("tracker.displaced_efficiency", o.tracker.displaced_efficiency, 0);
  visit("tracker.displaced_z", o.tracker.displaced_z, 0);
  visit("tracker.vertex_merge_distance", o.tracker.vertex_merge_distance, 0);
  visit("tracker.min_vertex_tracks", o.tracker.min_vertex_tracks, 0);
  visit("tracker.electron_efficiency", o.tracker.electron_efficiency, 0);
  visit("tracker.muon_efficiency", o.tracker.muon_efficiency, 0);
  visit("calorimeter.radius", o.calorimeter.radius, 0);
  visit("calorimeter.half_length", o.calorimeter.half_length, 0);
  visit("calorimeter.magnetic_field", o.calorimeter.magnetic_field, 0);
  visit("calorimeter.ecal_cell", o.calorimeter.ecal_cell, 0);
  visit("calorimeter.ecal_stochastic", o.calorimeter.ecal_stochastic, 0);
  visit("calorimeter.ecal_noise", o.calorimeter.ecal_noise, 0);
  visit("calorimeter.ecal_constant", o.calorimeter.ecal_constant, 0);
  visit("calorimeter.ecal_min_energy", o.calorimeter.ecal_min_energy, 3);
  visit("calorimeter.conversion", o.calorimeter.conversion, 2);
  visit("calorimeter.photon_loss", o.calorimeter.photon_loss, 2);
  visit("calorimeter.photon_loss_pt", o.calorimeter.photon_loss_pt, 2);
  visit("calorimeter.gap_eta", o.calorimeter.gap_eta, 2);
  visit("calorimeter.gap_response", o.calorimeter.gap_response, 0);
  visit("calorimeter.hcal_cell", o.calorimeter.hcal_cell, 0);
  visit("calorimeter.hcal_stochastic", o.calorimeter.hcal_stochastic, 2);
  visit("calorimeter.hcal_constant", o.calorimeter.hcal_constant, 2);
  visit("calorimeter.hcal_min_energy", o.calorimeter.hcal_min_energy, 3);
  visit("calorimeter.shower_radius", o.calorimeter.shower_radius, 0);
  visit("calorimeter.halo_share", o.calorimeter.halo_share, 0);
  visit("calorimeter.halo_radius", o.calorimeter.halo_radius, 0);
  visit("calorimeter.ecal_start", o.calorimeter.ecal_start, 0);
  visit("calorimeter.ecal_fragments", o.calorimeter.ecal_fragments, 0);
  visit("calorimeter.fragment_energy", o.calorimeter.fragment_energy, 0);
  visit("calorimeter.fragment_saturation", o.calorimeter.fragment_saturation, 0);
  visit("calorimeter.fragment_radius", o.calorimeter.fragment_radius, 0);
  visit("calorimeter.h_over_e", o.calorimeter.h_over_e, 0);
  visit("calorimeter.power", o.calorimeter.power, 0);
  visit("calorimeter.calibration_scale", o.calorimeter.calibration_scale, 0);
  visit("calorimeter.hf_cell", o.calorimeter.hf_cell, 0);
  visit("calorimeter.hf_em_constant", o.calorimeter.hf_em_constant, 0);
  visit("calorimeter.hf_em_stochastic", o.calorimeter.hf_em_stochastic, 0);
  visit("calorimeter.hf_had_constant", o.calorimeter.hf_had_constant, 0);
  visit("calorimeter.hf_had_stochastic", o.calorimeter.hf_had_stochastic, 0);
  visit("calorimeter.hf_response", o.calorimeter.hf_response, 0);
  visit("calorimeter.hf_min_energy", o.calorimeter.hf_min_energy, 0);
  visit("particle_flow.excess_significance", o.particle_flow.excess_significance, 0);
  visit("particle_flow.photon_min_energy", o.particle_flow.photon_min_energy, 0);
  visit("particle_flow.hadron_min_energy", o.particle_flow.hadron_min_energy, 3);
  visit("jets.radius", o.jets.radius, 0);
  visit("jets.ghost_area", o.jets.ghost_area, 0);
  visit("jets.ghost_max_rapidity", o.jets.ghost_max_rapidity, 0);
  visit("jets.gen_min_pt", o.jets.gen_min_pt, 0);
  visit("jets.parton_flavor", o.jets.parton_flavor, 0);
  visit("jets.match_radius", o.jets.match_radius, 0);
  visit("jets.min_pt", o.jets.min_pt, 0);
  visit("jets.max_eta", o.jets.max_eta, 0);
}

namespace {

/// Reads each field from the card, then from the overrides.
struct FieldReader {
  const Config& card;
  const Config& overrides;

  template <typename T>
  void operator()(const char* name, T& field, int /*length*/) const {
    field = overrides.get(name, card.require<T>(name));
  }
  void operator()(const char* name, std::vector<double>& field, int length) const {
    field = overrides.get(name, card.require<std::vector<double>>(name));
    if (static_cast<int>(field.size()) != length)
      fail(ErrorCode::InvalidArgument, overrides.source(), ": the field '", name, "' needs ",
           length, " numbers, not ", field.size());
  }
};

struct FieldPrinter {
  std::ostringstream& text;
  template <typename T>
  void operator()(const char* name, const std::vector<T>& field, int /*length*/) const {
    text << name << '=';
    for (const T& value : field) text << value << ',';
    text << '\n';
  }
  template <typename T>
  void operator()(const char* name, const T& field, int /*length*/) const {
    text << name << '=' << field << '\n';
  }
};

}  // namespace

static void require(bool holds, const Config& config, const char* field, const char* rule) {
  if (!holds)
    fail(ErrorCode::InvalidArgument, config.source(), ": the field '", field, "' must be ", rule);
}

ExperimentOptions read_experiment(const Config& overrides) {
  const Config card = Config::parse(default_card(), "the compiled-in card");
  ExperimentOptions options;
  visit_fields(options, FieldReader{card, overrides});
  require(options.pileup.mean >= 0 && options.pileup.mean <= 200, overrides, "pileup.mean",
          "from 0 to 200");
  require(options.pileup.maximum >= options.pileup.mean, overrides, "pileup.maximum",
          "at least pileup.mean, which it would cut");
  require(options.jets.radius > 0 && options.jets.radius <= 1, overrides, "jets.radius",
          "above 0 and at most 1");
  require(options.jets.ghost_area >= 1e-4, overrides, "jets.ghost_area", "at least 1e-4");
  require(options.jets.takes_any_parton() || options.jets.parton_flavor == "summer16", overrides,
          "jets.parton_flavor", "summer16 or cmssw9");
  require(options.jets.min_pt >= 0, overrides, "jets.min_pt", "0 or more");
  require(options.calorimeter.ecal_cell >= 0.01, overrides, "calorimeter.ecal_cell",
          "at least 0.01");
  require(options.calorimeter.hcal_cell >= 0.04, overrides, "calorimeter.hcal_cell",
          "at least 0.04");
  require(options.calorimeter.hf_cell >= 0.08, overrides, "calorimeter.hf_cell", "at least 0.08");
  require(options.calorimeter.h_over_e > 0 && options.calorimeter.h_over_e <= 1, overrides,
          "calorimeter.h_over_e", "above 0 and at most 1");
  require(options.calorimeter.fragment_saturation >= 1, overrides,
          "calorimeter.fragment_saturation", "at least 1");
  return options;
}

std::string describe(const ExperimentOptions& options) {
  std::ostringstream text;
  text.precision(17);
  visit_fields(options, FieldPrinter{text});
  return text.str();
}

}  // namespace jetcal::sim
