// SPDX-License-Identifier: Apache-2.0
// Assignments as points of a unit cube, one coordinate per parameter.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "jetcal/base/random.h"
#include "jetcal/hpo/trial.h"

namespace jetcal::hpo {

/// One coordinate per parameter of the space, in its order: in [0, 1], NaN where the parameter does
/// not exist. A parameter of c possible values has c cells, of equal width unless it is
/// logarithmic, and a value stands at the centre of its cell.
using Point = std::vector<double>;

/// Maps assignments to points and back.
class Encoding {
 public:
  explicit Encoding(SearchSpace space);

  const SearchSpace& space() const noexcept { return space_; }
  std::size_t size() const noexcept { return axes_.size(); }
  /// Counts the values a parameter can have; 0 for a continuous one.
  std::int64_t num_cells(std::size_t axis) const noexcept { return axes_[axis].cells; }
  bool is_categorical(std::size_t axis) const noexcept { return axes_[axis].categorical; }
  bool is_conditional(std::size_t axis) const noexcept { return axes_[axis].parent >= 0; }
  /// Centre and lower edge of a cell; edge(axis, num_cells(axis)) is 1.
  double center(std::size_t axis, std::int64_t cell) const noexcept;
  double edge(std::size_t axis, std::int64_t cell) const noexcept;
  /// The cell a coordinate in [0, 1] lies in; requires num_cells(axis) > 0.
  std::int64_t cell_of(std::size_t axis, double u) const noexcept;
  /// Tells whether a parameter exists at a point, given those before it.
  bool active(std::size_t axis, std::span<const double> point) const noexcept;
  /// The number of different assignments where it is finite and at most `limit`; else 0.
  std::int64_t num_assignments(std::int64_t limit) const;

  /// Never fails: values out of range go to the nearest one, unknown ones to the middle, so that
  /// trials imported from elsewhere can be learnt from.
  Point encode(const Assignment& values) const;
  /// Reads every coordinate in [0, 1] of a point as a value; ignores those of parameters that do
  /// not exist. The result passes SearchSpace::check.
  Assignment decode(std::span<const double> point) const;
  /// Moves the coordinates to the centres of their cells and sets those that do not exist to NaN.
  void snap(std::span<double> point) const noexcept;
  /// Draws from the uniform distribution on the cube, snapped.
  Point random(Rng& rng) const;

 private:
  struct Axis {
    std::int64_t cells = 0;
    bool categorical = false;
    bool logarithmic = false;
    double from = 0;  // of the interval that the cube's edge maps to, in the logarithm if so
    double to = 1;
    std::int64_t parent = -1;
    std::vector<char> allowed;  // by the cell of the parent
  };
  double to_unit(std::size_t axis, const Value& value) const;
  Value from_unit(std::size_t axis, double u) const;

  SearchSpace space_;
  std::vector<Axis> axes_;
};

/// The points of a history, kept between calls, and which of them are there.
class PointTable {
 public:
  explicit PointTable(const Encoding& encoding) : encoding_(encoding) {}
  /// Encodes the trials that came since the last call; starts anew for another history.
  void update(const std::vector<Trial>& trials);
  const Point& operator[](std::size_t trial) const noexcept { return points_[trial]; }
  /// Tells whether a snapped point has been tried; continuous coordinates count as equal within
  /// 1e-9.
  bool contains(std::span<const double> point) const;

 private:
  static std::uint64_t key(std::span<const double> point) noexcept;

  const Encoding& encoding_;
  std::vector<Point> points_;
  std::vector<std::int64_t> numbers_;
  std::unordered_map<std::uint64_t, int> keys_;
};

/// The number that the next trial of this history gets.
std::int64_t next_number(const History& history) noexcept;

}  // namespace jetcal::hpo
