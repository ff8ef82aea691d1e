// SPDX-License-Identifier: Apache-2.0
// One number per jet, of any type that a file may hold.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace jetcal::data {

/// Names what the numbers of a column are.
enum class NumberType { Real, Integer, Unsigned };

/// Views one number per jet; only the span of its type is filled.
struct NumberView {
  std::string name;
  NumberType type = NumberType::Real;
  std::span<const double> real;
  std::span<const std::int64_t> integer;  ///< Unsigned numbers keep their bits.

  std::int64_t size() const noexcept {
    return static_cast<std::int64_t>(type == NumberType::Real ? real.size() : integer.size());
  }
  /// Returns the number as double; integers beyond 2^53 are rounded.
  double at(std::int64_t row) const noexcept {
    const auto i = static_cast<std::size_t>(row);
    if (type == NumberType::Real) return real[i];
    return type == NumberType::Integer
               ? static_cast<double>(integer[i])
               : static_cast<double>(static_cast<std::uint64_t>(integer[i]));
  }
};

/// Owns one number per jet.
struct NumberColumn {
  std::string name;
  NumberType type = NumberType::Real;
  std::vector<double> real;
  std::vector<std::int64_t> integer;

  NumberView view() const noexcept { return {name, type, real, integer}; }
  std::int64_t size() const noexcept { return view().size(); }
  /// Appends one row of a column of the same type.
  void append(const NumberView& from, std::int64_t row) {
    const auto i = static_cast<std::size_t>(row);
    if (type == NumberType::Real) {
      real.push_back(from.real[i]);
    } else {
      integer.push_back(from.integer[i]);
    }
  }
  void clear() noexcept {
    real.clear();
    integer.clear();
  }
};

/// Views every column of a list.
inline std::vector<NumberView> views_of(const std::vector<NumberColumn>& columns) {
  std::vector<NumberView> views;
  views.reserve(columns.size());
  for (const NumberColumn& column : columns) views.push_back(column.view());
  return views;
}

/// Returns the named views in the order of the names. Requires: all are there.
inline std::vector<NumberView> pick(const std::vector<NumberView>& views,
                                    const std::vector<std::string>& names) {
  std::vector<NumberView> picked;
  for (const std::string& name : names) {
    for (const NumberView& view : views) {
      if (view.name == name) picked.push_back(view);
    }
  }
  return picked;
}

}  // namespace jetcal::data
