// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/calorimeter.h"

#include <algorithm>
#include <cmath>

namespace jetcal::sim {

namespace {

constexpr double kBarrelEnd = 1.48;
constexpr double kCentralEnd = 3.0;
constexpr double kForwardEnd = 5.0;

/// Smears a positive number so that its mean stays; relative width `relative`.
double log_normal(double mean, double relative, Rng& rng) {
  const double sigma = std::sqrt(std::log1p(relative * relative));
  return mean * std::exp(sigma * rng.normal() - 0.5 * sigma * sigma);
}

}  // namespace

CellGrid::CellGrid(double max_eta, double size)
    : max_eta_(max_eta),
      num_eta_(static_cast<int>(std::lround(2 * max_eta / size))),
      num_phi_(static_cast<int>(std::lround(2 * M_PI / size))),
      eta_width_(2 * max_eta / num_eta_),
      phi_width_(2 * M_PI / num_phi_) {
  const auto cells = static_cast<std::size_t>(num_eta_) * static_cast<std::size_t>(num_phi_);
  cells_.assign(cells, {});
}

void CellGrid::clear() {
  for (const int cell : hit_) {
    cells_[static_cast<std::size_t>(cell)] = {};
  }
  hit_.clear();
}

int CellGrid::find(double eta, double phi) const {
  if (std::abs(eta) >= max_eta_) return -1;
  const int row = std::min(static_cast<int>((eta + max_eta_) / eta_width_), num_eta_ - 1);
  const int column = std::min(static_cast<int>((wrap_phi(phi) + M_PI) / phi_width_), num_phi_ - 1);
  return row * num_phi_ + column;
}

void CellGrid::add(int cell, double energy, double eta, double phi) {
  if (cell < 0 || energy <= 0) return;
  Cell& c = cells_[static_cast<std::size_t>(cell)];
  if (c.total == 0) hit_.push_back(cell);
  c.energy += energy;
  c.total += energy;
  c.eta_sum += energy * eta;
  c.phi_sum += energy * wrap_phi(phi - phi_of_center(cell));
}

void CellGrid::move(int from, int to) {
  Cell& a = cells_[static_cast<std::size_t>(from)];
  Cell& b = cells_[static_cast<std::size_t>(to)];
  const double shift = wrap_phi(phi_of_center(from) - phi_of_center(to));
  b.energy += a.energy;
  b.total += a.total;
  b.eta_sum += a.eta_sum;
  b.phi_sum += a.phi_sum + a.total * shift;
  a = {};
}

int CellGrid::first_of_four(int cell) const {
  const int row = cell / num_phi_;
  const int column = cell % num_phi_;
  return (row - row % 2) * num_phi_ + column - column % 2;
}

int CellGrid::neighbor(int cell, int d_eta, int d_phi) const {
  const int row = cell / num_phi_ + d_eta;
  if (row < 0 || row >= num_eta_) return -1;
  return row * num_phi_ + (cell % num_phi_ + d_phi + num_phi_) % num_phi_;
}

double CellGrid::eta(int cell) const {
  const Cell& c = cells_[static_cast<std::size_t>(cell)];
  return c.total > 0 ? c.eta_sum / c.total : center_eta(cell);
}

double CellGrid::phi(int cell) const {
  const Cell& c = cells_[static_cast<std::size_t>(cell)];
  const double center = phi_of_center(cell);
  return wrap_phi(c.total > 0 ? center + c.phi_sum / c.total : center);
}

double CellGrid::center_eta(int cell) const {
  const int row = cell / num_phi_;
  return -max_eta_ + (row + 0.5) * eta_width_;
}

Calorimeter::Calorimeter(const CalorimeterOptions& options)
    : ecal(kCentralEnd, options.ecal_cell),
      hcal(kCentralEnd, options.hcal_cell),
      hf_em(kForwardEnd, options.hf_cell),
      hf_had(kForwardEnd, options.hf_cell),
      options_(options) {}

void Calorimeter::clear() {
  for (CellGrid* grid : {&ecal, &hcal, &hf_em, &hf_had}) grid->clear();
}

Impact Calorimeter::propagate(const Particle& p) const {
  const int charge = charge_of(p.pdg);
  if (charge == 0) return {true, p.eta, p.phi};
  // Radius of the helix in cm: pT / (0.3 B) metres.
  const double radius = 100 * p.pt / (0.3 * options_.magnetic_field);
  const double sinh_eta = std::sinh(static_cast<double>(p.eta));
  // Half of the turning angle where the helix meets the barrel, or the endcap before it.
  double half_turn = M_PI / 2;
  const bool meets_barrel = 2 * radius > options_.radius;
  if (meets_barrel) half_turn = std::asin(options_.radius / (2 * radius));
  const double path_z = 2 * half_turn * radius * std::abs(sinh_eta);
  if (path_z > options_.half_length)
    half_turn = 0.5 * options_.half_length / (radius * std::abs(sinh_eta));
  else if (!meets_barrel)
    return {false, p.eta, p.phi};
  // The field points along z: positive charges turn towards smaller phi.
  return {true, p.eta, wrap_phi(p.phi - charge * half_turn)};
}

int Calorimeter::crystal(double eta, double phi) const {
  const int cell = ecal.find(eta, phi);
  return cell >= 0 && std::abs(eta) > kBarrelEnd ? ecal.first_of_four(cell) : cell;
}

int Calorimeter::crystal_step(int cell) const {
  return std::abs(ecal.center_eta(cell)) > kBarrelEnd ? 2 : 1;
}

double Calorimeter::hadron_response(double energy) const {
  const double e = std::max(energy, 0.5);
  return 1 - (1 - options_.h_over_e) * std::pow(e, options_.power - 1);
}

double Calorimeter::calibrate(double visible) const {
  double energy = visible / hadron_response(visible);
  for (int i = 0; i < 3; ++i) energy = visible / hadron_response(energy);
  return options_.calibration_scale * energy;
}

double Calorimeter::hadron_resolution(double energy, double eta) const {
  const std::size_t region = std::abs(eta) < kBarrelEnd ? 0 : 1;
  const double e = std::max(energy, 0.2);
  return std::hypot(options_.hcal_stochastic[region] * std::sqrt(e),
                    options_.hcal_constant[region] * e);
}

double Calorimeter::min_photon_energy(double eta) const {
  const double abs_eta = std::abs(eta);
  if (abs_eta < kBarrelEnd) return options_.ecal_min_energy[0];
  return abs_eta < 2.5 ? options_.ecal_min_energy[1] : options_.ecal_min_energy[2];
}

std::size_t Calorimeter::hadron_region(double eta) {
  constexpr double kInnerEndcap = 2.0;
  const double abs_eta = std::abs(eta);
  if (abs_eta < kBarrelEnd) return 0;
  return abs_eta < kInnerEndcap ? 1 : 2;
}

void Calorimeter::deposit_photon(double energy, const Impact& at, Rng& rng) {
  const double relative = std::hypot(options_.ecal_stochastic / std::sqrt(energy),
                                     options_.ecal_noise / energy, options_.ecal_constant);
  double seen = log_normal(energy, std::min(relative, 1.0), rng);
  const double abs_eta = std::abs(at.eta);
  if (abs_eta > options_.gap_eta[0] && abs_eta < options_.gap_eta[1]) seen *= options_.gap_response;
  ecal.add(crystal(at.eta, at.phi), seen, at.eta, at.phi);
}

/// Lets a photon become an electron and a positron in the tracker: the field takes them apart, and
/// those that turn around before the calorimeter are lost.
void Calorimeter::convert_photon(double energy, const Particle& p, Rng& rng) {
  const double sinh_eta = std::abs(std::sinh(static_cast<double>(p.eta)));
  const bool endcap = options_.radius * sinh_eta > options_.half_length;
  const double reach = endcap ? options_.half_length / sinh_eta : options_.radius;
  const double length = reach * (1 - 0.85 * rng.uniform());  // cm from the conversion to the ECAL
  const double share = rng.uniform();
  for (const double part : {share, -(1 - share)}) {
    const double diameter = 200 * std::abs(part) * p.pt / (0.3 * options_.magnetic_field);
    if (length >= diameter) continue;
    const double turn = std::copysign(std::asin(length / diameter) * length / reach, part);
    const Impact at{true, p.eta, wrap_phi(static_cast<double>(p.phi) - turn)};
    deposit_photon(energy * std::abs(part), at, rng);
  }
}

void Calorimeter::deposit_hadron(double energy, const Impact& at, Rng& rng) {
  const double relative = std::min(hadron_resolution(energy, at.eta) / energy, 1.5);
  const double visible = log_normal(energy * hadron_response(energy), relative, rng);
  constexpr double kMinimumIonising = 0.25;  // what a hadron leaves in the ECAL without a shower
  double in_ecal = std::min(kMinimumIonising, 0.5 * visible);
  if (rng.uniform() < options_.ecal_start) in_ecal = visible * rng.uniform();
  const double in_hcal = visible - in_ecal;
  const double decades = std::log10(std::clamp(energy, 1.0, options_.fragment_saturation));
  for (auto left = rng.poisson(options_.ecal_fragments * decades); left > 0; --left) {
    const double fragment = std::min(options_.fragment_energy * rng.exponential(), 0.3 * in_ecal);
    const double eta = at.eta + options_.fragment_radius * rng.normal();
    const double phi = at.phi + options_.fragment_radius * rng.normal();
    ecal.add(crystal(eta, phi), fragment, eta, phi);
    in_ecal -= fragment;
  }
  ecal.add(crystal(at.eta, at.phi), in_ecal, at.eta, at.phi);
  // A few spots spread over the towers: the energy of each is the same, their places fluctuate.
  const int spots = std::clamp(static_cast<int>(2 + in_hcal / 4), 2, 12);
  for (int i = 0; i < spots; ++i) {
    const bool halo = rng.uniform() < options_.halo_share;
    const double radius = halo ? options_.halo_radius : options_.shower_radius;
    const double eta = at.eta + radius * rng.normal();
    const double phi = at.phi + radius * rng.normal();
    hcal.add(hcal.find(eta, phi), in_hcal / spots, eta, phi);
  }
}

void Calorimeter::deposit_forward(const Particle& p, const Impact& at, Rng& rng) {
  const double energy = energy_of(p);
  const Species species = species_of(p.pdg);
  const bool em = species == Species::Photon || species == Species::Electron;
  const double relative =
      em ? std::hypot(options_.hf_em_stochastic / std::sqrt(energy), options_.hf_em_constant)
         : std::hypot(options_.hf_had_stochastic / std::sqrt(energy), options_.hf_had_constant);
  CellGrid& grid = em ? hf_em : hf_had;
  const double seen = log_normal(energy * options_.hf_response, std::min(relative, 1.5), rng);
  grid.add(grid.find(at.eta, at.phi), seen, at.eta, at.phi);
}

void Calorimeter::deposit(const Particle& p, const Impact& at, Rng& rng) {
  const Species species = species_of(p.pdg);
  if (!at.reached || species == Species::Neutrino) return;
  if (species == Species::Muon) {
    if (momentum_of(p) < 3 || std::abs(at.eta) > kCentralEnd) return;
    ecal.add(crystal(at.eta, at.phi), 0.3, at.eta, at.phi);
    hcal.add(hcal.find(at.eta, at.phi), 2.0, at.eta, at.phi);
    return;
  }
  if (std::abs(at.eta) >= kCentralEnd) {
    deposit_forward(p, at, rng);
    return;
  }
  const double energy = energy_of(p);
  if (species == Species::Photon) {
    const std::size_t region = std::abs(at.eta) < kBarrelEnd ? 0 : 1;
    const double loss = options_.photon_loss[region];
    if (rng.uniform() < loss * std::exp(-p.pt / options_.photon_loss_pt[region])) return;
    if (rng.uniform() < options_.conversion[region]) {
      convert_photon(energy, p, rng);
      return;
    }
  }
  if (species == Species::Photon || species == Species::Electron)
    deposit_photon(energy, at, rng);
  else
    deposit_hadron(energy, at, rng);
}

void Calorimeter::suppress() {
  for (const int cell : hcal.hit()) {
    const std::size_t region = hadron_region(hcal.center_eta(cell));
    if (hcal.energy(cell) < options_.hcal_min_energy[region]) hcal.drop(cell);
  }
}

}  // namespace jetcal::sim
