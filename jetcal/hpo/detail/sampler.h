// SPDX-License-Identifier: Apache-2.0
// Where to look next: the part of an algorithm that chooses a point.
#pragma once

#include <memory>
#include <optional>

#include "jetcal/hpo/detail/settings.h"
#include "jetcal/hpo/encoding.h"
#include "jetcal/hpo/pareto.h"

namespace jetcal::hpo::detail {

/// A history as samplers see it.
struct View {
  const std::vector<Trial>& trials;
  const PointTable& points;
  const std::vector<Standing>& standing;  ///< By trial.
  const std::vector<Outcome>& outcomes;   ///< By trial; of those that are known.
  std::int64_t number = 0;                ///< Of the trial to propose.
};

/// Chooses the point of a new trial; a function of the view, its settings and its seed.
class Sampler {
 public:
  virtual ~Sampler() = default;
  /// Returns a snapped point, or nothing when there is none left.
  virtual std::optional<Point> sample(const View& view) = 0;
  /// As Algorithm::left_out().
  virtual std::int64_t left_out() const { return 0; }
};

/// Names random, sobol, tpe, gp, cmaes and grid.
std::unique_ptr<Sampler> make_sampler(const std::string& name, const Setup& setup,
                                      const Encoding& encoding);
std::unique_ptr<Sampler> make_random(const Setup& setup, const Encoding& encoding);
std::unique_ptr<Sampler> make_sobol(const Setup& setup, const Encoding& encoding);
std::unique_ptr<Sampler> make_grid(const Setup& setup, const Encoding& encoding);
std::unique_ptr<Sampler> make_tpe(const Setup& setup, const Encoding& encoding);
std::unique_ptr<Sampler> make_gp(const Setup& setup, const Encoding& encoding);
std::unique_ptr<Sampler> make_cmaes(const Setup& setup, const Encoding& encoding);

/// Returns `point` unless it was tried; then one beside it that was not, then any that was not,
/// then, where all seem to be used up, the point itself.
Point untried(const Encoding& encoding, const PointTable& points, Point point, Rng& rng);

/// Standing and outcomes of all trials of a history.
class Reading {
 public:
  /// Each trial by its last report or, with a budget, by what it had then.
  void update(const History& history, const std::vector<Objective>& objectives,
              std::int64_t budget = 0);
  const std::vector<Standing>& standing() const noexcept { return standing_; }
  const std::vector<Outcome>& outcomes() const noexcept { return outcomes_; }

 private:
  std::vector<Standing> standing_;
  std::vector<Outcome> outcomes_;
};

}  // namespace jetcal::hpo::detail
