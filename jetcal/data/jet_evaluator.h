// SPDX-License-Identifier: Apache-2.0
// Applies the rules of a configuration to chunks of jets: which take part, what they weigh, what
// they carry along.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "jetcal/data/data_rules.h"
#include "jetcal/data/expression.h"
#include "jetcal/data/number_column.h"

namespace jetcal::data {

/// Says what becomes of a jet; a jet that is not kept has the first cause that applies.
enum class JetFate : std::uint8_t {
  Kept,
  SelectionNotFinite,  ///< A selection is not a finite number, or a number in it is not.
  Selection,           ///< The selection is false.
  SplitSelection,      ///< That of its split is false.
  WeightNotFinite,     ///< Its weight is not a finite number, or a number in it is not.
  Fraction,            ///< It is not in the fraction of the data that takes part.
};

/// What the rules say of one jet.
struct JetVerdict {
  JetFate fate = JetFate::Kept;
  float weight = 1;  ///< Meaningful where the jet is kept.
};

/// Tells whether a name is one of the jet columns, or num_particles.
bool is_jet_column(const std::string& name) noexcept;

/// Tells whether jets get weights by these rules.
bool has_weights(const DataRules& rules) noexcept;

/// Applies DataRules to jets. For one thread.
///
/// Expressions may use, in this order: new variables; the jet columns of edm/jet_columns.h and
/// `num_particles`; branches of the file (or observers of the shards).
class JetEvaluator {
 public:
  /// Parses the expressions and finds where their names come from. `has_branch` tells whether the
  /// file has a branch; `where` names it in messages. Throws InvalidArgument for a name that is
  /// nowhere, and for a new variable that hides a column or branch.
  JetEvaluator(const DataRules& rules, const std::function<bool(const std::string&)>& has_branch,
               const std::string& where);
  ~JetEvaluator();
  JetEvaluator(JetEvaluator&&) noexcept;

  /// Lists the branches that evaluate() needs, each once.
  const std::vector<std::string>& branches() const noexcept;

  /// Computes everything for the jets of a view, which must stay until the last judge().
  /// `branches` holds those of branches(), in this order.
  void evaluate(const edm::JetView& jets, std::span<const NumberView> branches);

  /// Judges a jet of the view evaluated last. Throws InvalidArgument where a selection is neither 0
  /// nor 1, or a weight is negative, naming the jet's event.
  JetVerdict judge(std::int64_t row, Split split, const GroupRule& group) const;

  /// Returns the observers of the jets evaluated last, in the order of the rules.
  const std::vector<NumberColumn>& observers() const noexcept;

  /// Lets evaluate() compute one more expression and returns its number for values().
  std::size_t add_expression(const std::string& text, const std::string& field);
  /// Returns an expression of add_expression() for the jets evaluated last; NaN where it is not
  /// finite.
  std::span<const double> values(std::size_t expression) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace jetcal::data
