// SPDX-License-Identifier: Apache-2.0
// The calorimeters: where particles hit them and how much energy their cells show.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "jetcal/base/random.h"
#include "jetcal/sim/options.h"
#include "jetcal/sim/particle.h"

namespace jetcal::sim {

/// A grid of cells in eta and phi that remembers which cells were hit.
class CellGrid {
 public:
  /// Covers |eta| < max_eta with square cells of about `size`.
  CellGrid(double max_eta, double size);

  void clear();
  /// Returns the cell at a place, or -1 outside.
  int find(double eta, double phi) const;
  void add(int cell, double energy, double eta, double phi);
  /// Returns the neighbour `d_eta`, `d_phi` cells away, or -1 beyond the edge in eta.
  int neighbor(int cell, int d_eta, int d_phi) const;
  /// Returns the first cell of the square of two by two that a cell belongs to.
  int first_of_four(int cell) const;
  /// Adds the deposits of a cell to another one and leaves it empty.
  void move(int from, int to);
  void drop(int cell) { cells_[static_cast<std::size_t>(cell)].energy = 0; }

  double energy(int cell) const { return cells_[static_cast<std::size_t>(cell)].energy; }
  /// Mean place of the deposits, weighted by energy.
  double eta(int cell) const;
  double phi(int cell) const;
  /// Centre of the cell in eta.
  double center_eta(int cell) const;
  /// Cells that were hit since clear(), in the order of the first hit.
  const std::vector<int>& hit() const { return hit_; }
  std::size_t size() const { return cells_.size(); }

 private:
  double phi_of_center(int cell) const { return -M_PI + (cell % num_phi_ + 0.5) * phi_width_; }
  double max_eta_;
  int num_eta_, num_phi_;
  double eta_width_, phi_width_;
  /// Sums over the deposits of a cell, side by side in memory; total keeps what drop() takes.
  struct Cell {
    double energy = 0, total = 0, eta_sum = 0, phi_sum = 0;
  };
  std::vector<Cell> cells_;
  std::vector<int> hit_;
};

/// Where a particle reaches the calorimeter.
struct Impact {
  bool reached;
  double eta, phi;
};

/// Holds the calorimeters of one crossing.
class Calorimeter {
 public:
  explicit Calorimeter(const CalorimeterOptions& options);

  void clear();
  /// Follows a charged particle through the magnetic field; loopers do not reach.
  Impact propagate(const Particle& p) const;
  /// Deposits what a particle leaves at a place.
  void deposit(const Particle& p, const Impact& at, Rng& rng);
  /// Drops the hadronic towers below the zero suppression.
  void suppress();

  /// Returns the ECAL cell of a place. In the endcaps four cells stand for one crystal, which
  /// covers more eta and phi there.
  int crystal(double eta, double phi) const;
  /// Returns the distance to the next crystal in cells.
  int crystal_step(int cell) const;
  /// Returns the mean visible share of a hadron's energy.
  double hadron_response(double energy) const;
  /// Turns the visible energy of a cluster into the mean true energy of one hadron that shows it,
  /// times the calibration scale.
  double calibrate(double visible) const;
  /// Returns the resolution for hadrons at a place in GeV.
  double hadron_resolution(double energy, double eta) const;
  /// Returns the smallest energy of a photon at this place.
  double min_photon_energy(double eta) const;

  /// Returns the region of the hadronic thresholds: 0 barrel, 1 endcap, 2 inner endcap.
  static std::size_t hadron_region(double eta);

  CellGrid ecal, hcal, hf_em, hf_had;

 private:
  void deposit_photon(double energy, const Impact& at, Rng& rng);
  void convert_photon(double energy, const Particle& p, Rng& rng);
  void deposit_hadron(double energy, const Impact& at, Rng& rng);
  void deposit_forward(const Particle& p, const Impact& at, Rng& rng);
  const CalorimeterOptions& options_;
};

}  // namespace jetcal::sim
