// SPDX-License-Identifier: Apache-2.0
// One correction as a tree of bins, categories and formulas, as text and JSON files give it.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "jetcal/jec/formula.h"

namespace jetcal::jec::detail {

/// Says what happens to a value outside the edges.
enum class Flow : std::uint8_t { Clamp, Error, Wrap, Default };

/// Holds the edges of one axis: edges[i] <= x < edges[i + 1].
struct Axis {
  int input = 0;              ///< Column.
  std::vector<double> edges;  ///< Empty when uniform.
  int num_bins = 0;
  double low = 0, high = 0;  ///< Of uniform bins.
  int stride = 1;            ///< Of this axis in the contents.

  /// Returns the bin of x, or -1 below and num_bins above the edges, after `flow` did its part.
  int find(double x, Flow flow) const noexcept;
};

enum class NodeKind : std::uint8_t { Leaf, Outside, Binning, Category, Transform, Random };
enum class Distribution : std::uint8_t { Flat, StandardNormal, Normal };

/// Is one node; which fields count depends on the kind.
struct Node {
  NodeKind kind = NodeKind::Leaf;
  Flow flow = Flow::Error;
  Distribution distribution = Distribution::Flat;
  int program = 0;                 ///< Leaf: formula.
  std::uint32_t params = 0;        ///< Leaf, Outside: first parameter.
  int input = -1;                  ///< Category, Transform: column or text input.
  bool by_text = false;            ///< Category.
  bool rounded = false;            ///< Transform of an integer input.
  int fallback = -1;               ///< Binning, Category: child outside; Transform: the rule.
  std::vector<Axis> axes;          ///< Binning.
  std::vector<int> children;       ///< Binning: contents; Category: values; Transform: the content.
  std::vector<std::int64_t> keys;  ///< Category: ascending.
  std::vector<int> inputs;         ///< Random: the columns that are hashed.
};

struct TreeInput {
  enum class Type : std::uint8_t { Real, Integer, Text };
  std::string name;
  Type type = Type::Real;
  int column = 0;  ///< Among the number inputs, or among the text inputs.
};

/// Collects what evaluate() met.
struct TreeReport {
  bool any_outside = false;
  std::array<bool, static_cast<std::size_t>(Formula::kBlock)> outside{};  ///< By row of the block.
};

/// Holds a correction. Built by the readers, then immutable and thread-safe.
struct CorrectionTree {
  std::string source;  ///< "file" or "file, correction 'name'", for messages.
  std::string level;
  std::vector<TreeInput> inputs;
  std::vector<std::string> number_inputs, text_inputs;         ///< By column.
  std::map<std::string, std::int64_t, std::less<>> text_keys;  ///< Ids of the texts in categories.
  std::vector<Node> nodes;
  std::vector<Formula> programs;
  std::vector<double> params;
  int root = 0;
  /// What evaluation needs of a node where the walk ends, side by side so that few cache lines are
  /// touched; made by finish().
  struct End {
    int group = 0;  ///< Formula, -1 for a constant, or unique to a transform or random node.
    std::uint32_t params = 0;
  };
  std::vector<End> ends;
  int inverted_input = -1;  ///< Column of JetPt when the formula is a response to be inverted.
  std::vector<int> clamped_inputs;  ///< Of a response: columns with ranges in the parameters.

  /// Evaluates rows [0, n), n <= Formula::kBlock; rows in messages start at first_row.
  ///
  /// columns[c] holds the number inputs, text_ids[c] the ids of the text inputs, or -1.
  void evaluate(std::int64_t n, std::int64_t first_row, const double* const* columns,
                const std::int64_t* const* text_ids, double* out, TreeReport& report) const;

  /// Tells whether a number input is declared as an integer.
  bool is_integer(std::size_t column) const noexcept;

  /// Makes `ends`; the readers call it last.
  void finish();

  int add_leaf(int program, std::span<const double> values);
  int add_constant(double value);
  int add_outside(double value);
};

}  // namespace jetcal::jec::detail
