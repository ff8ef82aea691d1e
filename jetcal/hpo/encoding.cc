// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/encoding.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace jetcal::hpo {

namespace {

constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

double real_of(const Value& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return kAbsent;
}

std::int64_t steps_in(const Parameter& parameter, double step) {
  return static_cast<std::int64_t>(
             std::floor((parameter.high - parameter.low) / step * (1 + 1e-12) + 1e-9)) +
         1;
}

std::int64_t choice_of(const Parameter& parameter, const Value& value) {
  for (std::size_t i = 0; i < parameter.choices.size(); ++i) {
    const Value& choice = parameter.choices[i];
    if (choice == value || real_of(choice) == real_of(value)) return static_cast<std::int64_t>(i);
  }
  return -1;
}

}  // namespace

Encoding::Encoding(SearchSpace space) : space_(std::move(space)) {
  const std::vector<Parameter>& parameters = space_.parameters();
  for (const Parameter& parameter : parameters) {
    Axis axis;
    axis.logarithmic = parameter.log;
    axis.from = parameter.low;
    axis.to = parameter.high;
    if (parameter.kind == Parameter::Kind::Integer) {
      axis.cells = steps_in(parameter, parameter.step > 0 ? parameter.step : 1);
      if (parameter.log) {  // a value k owns the interval [k - 1/2, k + 1/2]
        axis.from -= 0.5;
        axis.to += 0.5;
      }
    } else if (parameter.kind == Parameter::Kind::Float) {
      if (parameter.step > 0) axis.cells = steps_in(parameter, parameter.step);
      if (parameter.low == parameter.high) axis.cells = 1;
    } else {
      axis.cells = static_cast<std::int64_t>(parameter.choices.size());
      axis.categorical = parameter.kind == Parameter::Kind::Categorical;
    }
    if (axis.logarithmic) {
      axis.from = std::log(axis.from);
      axis.to = std::log(axis.to);
    }
    axes_.push_back(std::move(axis));
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].condition) continue;
    const Parameter* parent = space_.find(parameters[i].condition->parent);
    axes_[i].parent = parent - parameters.data();
    const auto index = static_cast<std::size_t>(axes_[i].parent);
    const std::int64_t cells = std::max<std::int64_t>(1, axes_[index].cells);
    axes_[i].allowed.assign(static_cast<std::size_t>(cells), 0);
    for (const Value& value : parameters[i].condition->values)
      axes_[i].allowed[axes_[index].cells == 0
                           ? 0
                           : static_cast<std::size_t>(cell_of(index, to_unit(index, value)))] = 1;
  }
}

double Encoding::edge(std::size_t index, std::int64_t cell) const noexcept {
  const Axis& axis = axes_[index];
  if (!axis.logarithmic || axis.cells <= 1)
    return static_cast<double>(cell) / static_cast<double>(axis.cells);
  if (cell <= 0) return 0;
  if (cell >= axis.cells) return 1;
  const double value = std::exp(axis.from) + static_cast<double>(cell);
  return (std::log(value) - axis.from) / (axis.to - axis.from);
}

double Encoding::center(std::size_t index, std::int64_t cell) const noexcept {
  const Axis& axis = axes_[index];
  if (!axis.logarithmic || axis.cells <= 1)
    return (static_cast<double>(cell) + 0.5) / static_cast<double>(axis.cells);
  const double value = std::exp(axis.from) + static_cast<double>(cell) + 0.5;
  return (std::log(value) - axis.from) / (axis.to - axis.from);
}

std::int64_t Encoding::cell_of(std::size_t index, double u) const noexcept {
  const Axis& axis = axes_[index];
  double position = u * static_cast<double>(axis.cells);
  if (axis.logarithmic && axis.cells > 1)
    position = std::exp(axis.from + u * (axis.to - axis.from)) - std::exp(axis.from);
  if (!(position > 0)) return 0;
  return std::min(axis.cells - 1, static_cast<std::int64_t>(position));
}

bool Encoding::active(std::size_t index, std::span<const double> point) const noexcept {
  const Axis& axis = axes_[index];
  if (axis.parent < 0) return true;
  const auto parent = static_cast<std::size_t>(axis.parent);
  const double u = point[parent];
  if (std::isnan(u) || !active(parent, point)) return false;
  if (axes_[parent].cells > 0)
    return axis.allowed[static_cast<std::size_t>(cell_of(parent, u))] != 0;
  // A condition on a continuous parent: only the exact values count.
  const Value value = from_unit(parent, u);
  const std::vector<Value>& allowed = space_.parameters()[index].condition->values;
  return std::any_of(allowed.begin(), allowed.end(),
                     [&value](const Value& other) { return real_of(other) == real_of(value); });
}

std::int64_t Encoding::num_assignments(std::int64_t limit) const {
  // Conditional parameters make this an upper bound.
  std::int64_t product = 1;
  for (const Axis& axis : axes_) {
    if (axis.cells == 0 || product > limit / axis.cells) return 0;
    product *= axis.cells;
  }
  return product;
}

double Encoding::to_unit(std::size_t index, const Value& value) const {
  const Axis& axis = axes_[index];
  const Parameter& parameter = space_.parameters()[index];
  const double real = real_of(value);
  if (parameter.kind == Parameter::Kind::Categorical ||
      parameter.kind == Parameter::Kind::Discrete) {
    const std::int64_t choice = choice_of(parameter, value);
    if (choice >= 0) return center(index, choice);
    if (axis.categorical || std::isnan(real)) return center(index, axis.cells / 2);
    std::int64_t best = 0;
    for (std::int64_t i = 1; i < axis.cells; ++i) {
      const auto distance = [&](std::int64_t cell) {
        return std::abs(real_of(parameter.choices[static_cast<std::size_t>(cell)]) - real);
      };
      if (distance(i) < distance(best)) best = i;
    }
    return center(index, best);
  }
  if (std::isnan(real)) return axis.cells > 0 ? center(index, axis.cells / 2) : 0.5;
  const double inside = std::clamp(real, parameter.low, parameter.high);
  if (axis.cells > 0) {
    const double step = parameter.step > 0 ? parameter.step : 1;
    const double cell = std::round((inside - parameter.low) / step);
    return center(index, std::min(axis.cells - 1, static_cast<std::int64_t>(cell)));
  }
  const double scaled = axis.logarithmic ? std::log(inside) : inside;
  return std::clamp((scaled - axis.from) / (axis.to - axis.from), 0.0, 1.0);
}

Value Encoding::from_unit(std::size_t index, double u) const {
  const Axis& axis = axes_[index];
  const Parameter& parameter = space_.parameters()[index];
  if (axis.cells > 0) {
    const std::int64_t cell = cell_of(index, u);
    if (!parameter.choices.empty()) return parameter.choices[static_cast<std::size_t>(cell)];
    const double step = parameter.step > 0 ? parameter.step : 1;
    const double value = parameter.low + step * static_cast<double>(cell);
    if (parameter.kind == Parameter::Kind::Integer)
      return static_cast<std::int64_t>(std::llround(value));
    return std::min(value, parameter.high);
  }
  if (u <= 0) return parameter.low;
  if (u >= 1) return parameter.high;
  const double scaled = axis.from + u * (axis.to - axis.from);
  return std::clamp(axis.logarithmic ? std::exp(scaled) : scaled, parameter.low, parameter.high);
}

Point Encoding::encode(const Assignment& values) const {
  Point point(axes_.size(), kAbsent);
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    if (!active(i, point)) continue;
    const auto value = values.find(space_.parameters()[i].name);
    if (value == values.end()) {
      point[i] = axes_[i].cells > 0 ? center(i, axes_[i].cells / 2) : 0.5;
    } else {
      point[i] = to_unit(i, value->second);
    }
  }
  return point;
}

Assignment Encoding::decode(std::span<const double> point) const {
  Assignment values;
  Point seen(axes_.size(), kAbsent);
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    if (!active(i, seen)) continue;
    seen[i] = std::isnan(point[i]) ? 0.5 : std::clamp(point[i], 0.0, 1.0);
    values.emplace(space_.parameters()[i].name, from_unit(i, seen[i]));
  }
  return values;
}

void Encoding::snap(std::span<double> point) const noexcept {
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    if (!active(i, point)) {
      point[i] = kAbsent;
    } else if (axes_[i].cells > 0) {
      point[i] = center(i, cell_of(i, point[i]));
    } else {
      point[i] = std::clamp(point[i], 0.0, 1.0);
    }
  }
}

Point Encoding::random(Rng& rng) const {
  Point point(axes_.size());
  for (double& u : point) u = rng.uniform();
  snap(point);
  return point;
}

std::uint64_t PointTable::key(std::span<const double> point) noexcept {
  std::uint64_t hash = 0;
  for (const double u : point)
    hash = mix64(hash, std::isnan(u) ? ~std::uint64_t{0}
                                     : static_cast<std::uint64_t>(std::llround(u * 1e9)));
  return hash;
}

void PointTable::update(const std::vector<Trial>& trials) {
  const bool grown =
      trials.size() >= numbers_.size() &&
      std::equal(numbers_.begin(), numbers_.end(), trials.begin(),
                 [](std::int64_t number, const Trial& trial) { return number == trial.number; });
  if (!grown) {
    points_.clear();
    numbers_.clear();
    keys_.clear();
  }
  for (std::size_t i = points_.size(); i < trials.size(); ++i) {
    points_.push_back(encoding_.encode(trials[i].values));
    numbers_.push_back(trials[i].number);
    ++keys_[key(points_.back())];
  }
}

bool PointTable::contains(std::span<const double> point) const {
  return keys_.count(key(point)) != 0;
}

std::int64_t next_number(const History& history) noexcept {
  return history.trials.empty() ? 0 : history.trials.back().number + 1;
}

}  // namespace jetcal::hpo
