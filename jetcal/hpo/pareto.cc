// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/pareto.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

namespace jetcal::hpo {

namespace {

bool all_finite(const std::vector<double>& values) {
  return !values.empty() && std::all_of(values.begin(), values.end(),
                                        [](double value) { return std::isfinite(value); });
}

// What each point of one layer adds to the area of the layer; the ends add infinitely.
std::vector<double> contributions(const std::vector<std::vector<double>>& layer) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  std::vector<double> added(layer.size(), kInfinite);
  if (layer.empty() || layer[0].size() != 2) return added;
  std::vector<std::size_t> order(layer.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&layer](std::size_t a, std::size_t b) { return layer[a] < layer[b]; });
  for (std::size_t i = 1; i + 1 < order.size(); ++i)
    added[order[i]] = (layer[order[i + 1]][0] - layer[order[i]][0]) *
                      (layer[order[i - 1]][1] - layer[order[i]][1]);
  return added;
}

}  // namespace

Standing standing_of(const Trial& trial) {
  switch (trial.state) {
    case TrialState::Complete:
      return all_finite(trial.objectives) ? Standing::Known : Standing::Failed;
    case TrialState::Stopped:
    case TrialState::Paused:
      return !trial.course.empty() && all_finite(trial.course.back().objectives) ? Standing::Known
                                                                                 : Standing::Failed;
    case TrialState::Failed:
      return Standing::Failed;
    case TrialState::Waiting:
    case TrialState::Running:
      break;
  }
  return Standing::Pending;
}

Outcome outcome_of(const Trial& trial, const std::vector<Objective>& objectives) {
  Outcome outcome;
  outcome.complete = trial.state == TrialState::Complete;
  if (!outcome.complete) outcome.resource = trial.course.back().resource;
  outcome.losses = outcome.complete ? trial.objectives : trial.course.back().objectives;
  outcome.losses.resize(std::max<std::size_t>(1, objectives.size()),
                        std::numeric_limits<double>::max());
  for (std::size_t i = 0; i < objectives.size(); ++i)
    if (objectives[i].maximise) outcome.losses[i] = -outcome.losses[i];
  for (const double constraint : trial.constraints)
    outcome.violation += std::isnan(constraint) ? std::numeric_limits<double>::infinity()
                                                : std::max(0.0, constraint);
  return outcome;
}

bool dominates(const std::vector<double>& a, const std::vector<double>& b) {
  bool better = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    better = better || a[i] < b[i];
  }
  return better;
}

std::vector<int> domination_layers(const std::vector<std::vector<double>>& losses) {
  std::vector<std::size_t> order(losses.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&losses](std::size_t a, std::size_t b) { return losses[a] < losses[b]; });
  // In this order only points before can dominate a point. A point goes to the first layer in which
  // none does (efficient non-dominated sort, Zhang et al. 2015).
  std::vector<std::vector<std::size_t>> members;
  std::vector<int> layers(losses.size(), 0);
  for (const std::size_t point : order) {
    std::size_t layer = 0;
    for (; layer < members.size(); ++layer) {
      const bool dominated =
          std::any_of(members[layer].rbegin(), members[layer].rend(),
                      [&](std::size_t other) { return dominates(losses[other], losses[point]); });
      if (!dominated) break;
    }
    if (layer == members.size()) members.emplace_back();
    members[layer].push_back(point);
    layers[point] = static_cast<int>(layer);
  }
  return layers;
}

double hypervolume(std::vector<std::vector<double>> losses, const std::vector<double>& reference) {
  std::sort(losses.begin(), losses.end());
  double area = 0;
  double top = reference[1];
  for (const std::vector<double>& point : losses) {
    if (point[0] >= reference[0] || point[1] >= top) continue;
    area += (reference[0] - point[0]) * (top - point[1]);
    top = point[1];
  }
  return area;
}

std::vector<std::size_t> order_of(const std::vector<Outcome>& outcomes) {
  std::vector<std::size_t> all(outcomes.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return order_of(outcomes, std::move(all));
}

std::vector<std::size_t> order_of(const std::vector<Outcome>& outcomes,
                                  std::vector<std::size_t> which) {
  const std::size_t count = which.size();
  std::vector<int> layers(count, 0);
  std::vector<double> within(count, 0);
  if (count > 0 && outcomes[which[0]].losses.size() == 1) {
    for (std::size_t i = 0; i < count; ++i) within[i] = outcomes[which[i]].losses[0];
  } else {
    std::vector<std::vector<double>> losses;
    losses.reserve(which.size());
    for (const std::size_t index : which) losses.push_back(outcomes[index].losses);
    layers = domination_layers(losses);
    const int last = count == 0 ? -1 : *std::max_element(layers.begin(), layers.end());
    for (int layer = 0; layer <= last; ++layer) {
      std::vector<std::vector<double>> members;
      for (std::size_t i = 0; i < count; ++i)
        if (layers[i] == layer) members.push_back(losses[i]);
      const std::vector<double> added = contributions(members);
      for (std::size_t i = 0, k = 0; i < count; ++i)
        if (layers[i] == layer) within[i] = -added[k++];
    }
  }
  using Key = std::tuple<double, bool, std::int64_t, int, double>;
  std::vector<std::pair<Key, std::size_t>> ranked;
  ranked.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Outcome& outcome = outcomes[which[i]];
    const std::int64_t resource = outcome.complete ? 0 : -outcome.resource;
    ranked.push_back(
        {{outcome.violation, !outcome.complete, resource, layers[i], within[i]}, which[i]});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < count; ++i) which[i] = ranked[i].second;
  return which;
}

std::vector<std::size_t> pareto_front(const History& history) {
  std::vector<std::size_t> indices;
  std::vector<Outcome> outcomes;
  for (std::size_t i = 0; i < history.trials.size(); ++i) {
    const Trial& trial = history.trials[i];
    if (trial.state != TrialState::Complete || standing_of(trial) != Standing::Known) continue;
    Outcome outcome = outcome_of(trial, history.objectives);
    if (outcome.violation > 0) continue;
    indices.push_back(i);
    outcomes.push_back(std::move(outcome));
  }
  std::vector<std::size_t> order(indices.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&outcomes](std::size_t a, std::size_t b) {
    return outcomes[a].losses < outcomes[b].losses;
  });
  std::vector<std::size_t> front;
  const Outcome* last = nullptr;
  for (const std::size_t i : order) {
    const Outcome& outcome = outcomes[i];
    const bool beaten = std::any_of(outcomes.begin(), outcomes.end(), [&](const Outcome& other) {
      return dominates(other.losses, outcome.losses);
    });
    if (beaten || (last != nullptr && last->losses == outcome.losses)) continue;
    front.push_back(indices[i]);
    last = &outcome;
  }
  return front;
}

}  // namespace jetcal::hpo
