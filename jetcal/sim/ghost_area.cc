// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/ghost_area.h"

#include <algorithm>
#include <cmath>
#include <fastjet/ClusterSequence.hh>
#include <limits>

#include "jetcal/base/random.h"
#include "jetcal/sim/particle.h"

namespace jetcal::sim {

GhostGrid::GhostGrid(const JetOptions& options, std::uint64_t seed)
    : height(std::sqrt(options.ghost_area)),
      num_rows(2 * static_cast<int>(std::ceil(options.ghost_max_rapidity / height - 1e-9))),
      num_columns(static_cast<int>(std::ceil(2 * M_PI / height))) {
  width = 2 * M_PI / num_columns;
  const auto cells = static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(num_columns);
  rapidity.reserve(cells);
  phi.reserve(cells);
  for (int row = -num_rows / 2; row < num_rows / 2; ++row) {
    Rng rng(mix64(seed, static_cast<std::uint64_t>(row) + 1000000));
    for (int column = 0; column < num_columns; ++column) {
      rapidity.push_back((row + rng.uniform()) * height);
      phi.push_back((column + rng.uniform()) * width);
    }
  }
}

namespace {

/// Where a ghost goes: the history entry that takes it in, at which step, at which distance.
struct Claim {
  /// Nothing at this distance or beyond is passed up to `step`: no other entry comes before.
  double bound = std::numeric_limits<double>::infinity();
  double distance = std::numeric_limits<double>::infinity();
  int step = std::numeric_limits<int>::max();
  int owner = -1;
};

/// A pseudojet of the history: it exists from the step after `birth` up to the step `death`.
struct Span {
  int entry, birth, death;
  double rapidity, phi, scale;  // distance to a ghost is dR^2 * scale
};

/// The distances of the steps of a clustering. They mostly ascend, but fall where a merger made a
/// pseudojet harder.
class Steps {
 public:
  explicit Steps(const fastjet::ClusterSequence& clusters) {
    for (const auto& step : clusters.history()) {
      distance_.push_back(step.dij);
      largest_.push_back(step.max_dij_so_far);
    }
  }
  /// Returns the largest distance up to a step.
  double largest(int step) const { return largest_[static_cast<std::size_t>(step)]; }
  /// Returns the first step after `birth` beyond `distance`, or one after `last`. Some step up to
  /// `last` is beyond it.
  int first_beyond(double distance, int birth, int last) const {
    if (largest(birth) <= distance)
      return static_cast<int>(
          std::upper_bound(largest_.begin() + birth + 1, largest_.begin() + last + 1, distance) -
          largest_.begin());
    int step = birth + 1;
    while (step <= last && distance_[static_cast<std::size_t>(step)] <= distance) ++step;
    return step;
  }

 private:
  std::vector<double> distance_, largest_;
};

/// Lets a pseudojet claim the ghosts within reach.
void claim(const Span& span, const GhostGrid& ghosts, const Steps& steps, double radius,
           std::vector<Claim>& claims) {
  const double limit = steps.largest(span.death);
  const double reach = std::min(radius, std::sqrt(limit / span.scale));
  const double middle = span.rapidity / ghosts.height + 0.5 * ghosts.num_rows;
  const double rows = reach / ghosts.height;
  const int first_row = std::max(0, static_cast<int>(std::floor(middle - rows)));
  const int last_row = std::min(ghosts.num_rows - 1, static_cast<int>(std::floor(middle + rows)));
  const int first = static_cast<int>(std::floor((span.phi - reach) / ghosts.width));
  const int last = static_cast<int>(std::floor((span.phi + reach) / ghosts.width));
  // Columns [begin, end) of a row, `turn` away from the pseudojet in azimuth.
  const auto claim_columns = [&](int row, int begin, int end, double turn) {
    const auto row_begin =
        static_cast<std::size_t>(row) * static_cast<std::size_t>(ghosts.num_columns);
    for (int column = begin; column < end; ++column) {
      const auto g = row_begin + static_cast<std::size_t>(column);
      const double d_rapidity = ghosts.rapidity[g] - span.rapidity;
      const double d_phi = ghosts.phi[g] - span.phi - turn;
      const double distance2 = d_rapidity * d_rapidity + d_phi * d_phi;
      const double distance = distance2 * span.scale;
      Claim& held = claims[g];
      if (distance2 >= radius * radius || distance >= std::min(limit, held.bound)) continue;
      const int last_step = std::min(span.death, held.step);
      const int step = steps.first_beyond(distance, span.birth, last_step);
      if (step > last_step || (step == held.step && distance >= held.distance)) continue;
      held = {steps.largest(step), distance, step, span.entry};
    }
  };
  const int num_columns = ghosts.num_columns;
  for (int row = first_row; row <= last_row; ++row) {
    if (first < 0) claim_columns(row, first + num_columns, num_columns, 2 * M_PI);
    claim_columns(row, std::max(first, 0), std::min(last + 1, num_columns), 0);
    if (last >= num_columns) claim_columns(row, 0, last + 1 - num_columns, -2 * M_PI);
  }
}

}  // namespace

std::vector<int> count_ghosts(const fastjet::ClusterSequence& clusters, const GhostGrid& ghosts,
                              double radius) {
  const auto& history = clusters.history();
  const int num_entries = static_cast<int>(history.size());
  const int num_particles = static_cast<int>(clusters.n_particles());
  const Steps steps(clusters);
  std::vector<Claim> claims(ghosts.phi.size());
  std::vector<Span> spans;
  for (int entry = 0; entry < num_entries; ++entry) {
    const auto& step = history[static_cast<std::size_t>(entry)];
    if (step.jetp_index < 0 || step.child < 0) continue;
    const fastjet::PseudoJet& jet = clusters.jets()[static_cast<std::size_t>(step.jetp_index)];
    const double scale = 1 / (jet.kt2() * radius * radius);
    spans.push_back(
        {entry, std::max(entry, num_particles - 1), step.child, jet.rap(), jet.phi(), scale});
  }
  // Hard ones first: they are early, and what is held early bounds the search of all others.
  std::ranges::stable_sort(spans, {}, &Span::scale);
  for (const Span& span : spans) claim(span, ghosts, steps, radius, claims);
  // Ghosts follow what took them in to the end of the history.
  std::vector<int> counts(history.size(), 0);
  for (const Claim& claimed : claims) {
    if (claimed.owner >= 0) ++counts[static_cast<std::size_t>(claimed.owner)];
  }
  for (int entry = 0; entry < num_entries; ++entry) {
    const auto& step = history[static_cast<std::size_t>(entry)];
    if (step.child < 0) continue;
    const auto& next = history[static_cast<std::size_t>(step.child)];
    if (next.parent2 == fastjet::ClusterSequence::BeamJet) continue;
    counts[static_cast<std::size_t>(step.child)] += counts[static_cast<std::size_t>(entry)];
  }
  return counts;
}

}  // namespace jetcal::sim
