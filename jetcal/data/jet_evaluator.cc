// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/jet_evaluator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::data {
namespace {

// What a shard keeps for itself.
bool is_reserved(const std::string& name) {
  for (const std::string_view own : {"source_entry", "source_jet", "training_weight"}) {
    if (name == own) return true;
  }
#define JETCAL_RESERVED(type, column) \
  if (name == #column) return true;
  JETCAL_PARTICLE_COLUMNS(JETCAL_RESERVED)
#undef JETCAL_RESERVED
  return is_jet_column(name);
}

// Gives a jet column as numbers of its own type.
NumberColumn read_column(const std::string& wanted, const edm::JetView& jets) {
  NumberColumn result{wanted, NumberType::Real, {}, {}};
#define JETCAL_READ(column_type, column)                                                           \
  if (wanted == #column) {                                                                         \
    if constexpr (std::is_floating_point_v<column_type>) {                                         \
      result.real.assign(jets.column.begin(), jets.column.end());                                  \
    } else {                                                                                       \
      result.type =                                                                                \
          std::is_same_v<column_type, std::uint64_t> ? NumberType::Unsigned : NumberType::Integer; \
      result.integer.assign(jets.column.begin(), jets.column.end());                               \
    }                                                                                              \
    return result;                                                                                 \
  }
  JETCAL_JET_COLUMNS(JETCAL_READ)
#undef JETCAL_READ
  result.type = NumberType::Integer;  // num_particles
  for (std::int64_t row = 0; row < jets.num_jets; ++row)
    result.integer.push_back(jets.offsets[row + 1] - jets.offsets[row]);
  return result;
}

}  // namespace

bool is_jet_column(const std::string& name) noexcept {
#define JETCAL_IS(type, column) \
  if (name == #column) return true;
  JETCAL_JET_COLUMNS(JETCAL_IS)
#undef JETCAL_IS
  return name == "num_particles";
}

struct JetEvaluator::State {
  enum class Source { Column, Branch, Variable };

  // A name that some expression uses, with its values for the present chunk.
  struct Input {
    std::string name;
    Source source;
    std::size_t index;  // of branches or formulas
    std::vector<double> values;
  };

  struct Formula {
    Expression expression;
    std::vector<std::size_t> inputs;  // one for each of its names
    std::vector<double> values;
  };

  State(const DataRules& chosen, const std::function<bool(const std::string&)>& branch_there,
        std::string place)
      : rules(chosen), has_branch(branch_there), where(std::move(place)) {
    for (const NamedExpression& variable : rules.new_variables) {
      if (is_reserved(variable.name) || has_branch(variable.name)) {
        fail(ErrorCode::InvalidArgument, "the new variable '", variable.name, "' would hide a ",
             is_reserved(variable.name) ? "column of the shards" : "branch of " + where);
      }
      variables[variable.name] = add(variable.text, "new_variables." + variable.name);
    }
    selection = add_optional(rules.selection, "selection");
    for (std::size_t i = 0; i < kSplits.size(); ++i) {
      split_selection[i] = add_optional(rules.split_selection[i],
                                        "selection_" + std::string(split_name(kSplits[i])));
    }
    weight = add_optional(rules.weight, "weight");
    for (const NamedExpression& observer : rules.observers) add_observer(observer);
  }

  std::optional<std::size_t> add_optional(const std::string& text, const std::string& field) {
    if (text.empty()) return std::nullopt;
    return add(text, field);
  }

  std::size_t add(const std::string& text, const std::string& field) {
    Formula formula{Expression(text, field), {}, {}};
    for (const std::string& name : formula.expression.names())
      formula.inputs.push_back(resolve(name, field));
    formulas.push_back(std::move(formula));
    return formulas.size() - 1;
  }

  std::size_t resolve(const std::string& name, const std::string& field) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].name == name) return i;
    }
    if (const auto found = variables.find(name); found != variables.end()) {
      inputs.push_back({name, Source::Variable, found->second, {}});
    } else if (is_jet_column(name)) {
      inputs.push_back({name, Source::Column, 0, {}});
    } else if (has_branch(name)) {
      inputs.push_back({name, Source::Branch, branch_index(name), {}});
    } else {
      fail(ErrorCode::InvalidArgument, field, ": unknown name '", name,
           "', it is no new variable, no jet column and no branch of ", where);
    }
    return inputs.size() - 1;
  }

  std::size_t branch_index(const std::string& name) {
    const auto found = std::find(branches.begin(), branches.end(), name);
    if (found != branches.end()) return static_cast<std::size_t>(found - branches.begin());
    branches.push_back(name);
    return branches.size() - 1;
  }

  // A name alone keeps its type; expressions are real numbers.
  void add_observer(const NamedExpression& observer) {
    const bool plain = observer.name == observer.text && !variables.contains(observer.name);
    if (plain && is_jet_column(observer.name)) {
      observers.push_back({observer.name, Source::Column, 0});
    } else if (plain && has_branch(observer.name)) {
      observers.push_back({observer.name, Source::Branch, branch_index(observer.name)});
    } else {
      if (is_reserved(observer.name) ||
          (!plain && observer.name != observer.text && has_branch(observer.name))) {
        fail(ErrorCode::InvalidArgument, "the observer '", observer.name, "' would hide a ",
             is_reserved(observer.name) ? "column of the shards" : "branch of " + where);
      }
      observers.push_back(
          {observer.name, Source::Variable, add(observer.text, "observers." + observer.name)});
    }
  }

  // A formula only uses variables before it, whose inputs came before it into the list.
  void compute(Formula& formula) {
    std::vector<std::span<const double>> columns;
    for (const std::size_t input : formula.inputs) columns.emplace_back(value_of(inputs[input]));
    formula.values.resize(static_cast<std::size_t>(jets.num_jets));
    formula.expression.evaluate(columns, formula.values);
  }

  std::span<const double> value_of(const Input& input) const {
    return input.source == Source::Variable ? std::span<const double>(formulas[input.index].values)
                                            : std::span<const double>(input.values);
  }

  void load_inputs(std::span<const NumberView> views) {
    for (Input& input : inputs) {
      if (input.source == Source::Variable) continue;
      input.values.resize(static_cast<std::size_t>(jets.num_jets));
      if (input.source == Source::Column) {
        const NumberColumn column = read_column(input.name, jets);
        const NumberView view = column.view();
        for (std::int64_t row = 0; row < jets.num_jets; ++row) input.values[row] = view.at(row);
      } else {
        const NumberView& view = views[input.index];
        for (std::int64_t row = 0; row < jets.num_jets; ++row) input.values[row] = view.at(row);
      }
    }
  }

  void collect_observers(std::span<const NumberView> views) {
    observer_values.clear();
    for (const Observer& observer : observers) {
      NumberColumn column{observer.name, NumberType::Real, {}, {}};
      if (observer.source == Source::Column) {
        column = read_column(observer.name, jets);
      } else if (observer.source == Source::Branch) {
        const NumberView& view = views[observer.index];
        column.type = view.type;
        column.real.assign(view.real.begin(), view.real.end());
        column.integer.assign(view.integer.begin(), view.integer.end());
      } else {
        column.real = formulas[observer.index].values;
      }
      observer_values.push_back(std::move(column));
    }
  }

  // Returns nothing where the condition is not a finite number.
  std::optional<bool> condition(const std::optional<std::size_t>& index, std::int64_t row) const {
    if (!index) return true;
    const Formula& formula = formulas[*index];
    const double value = formula.values[row];
    if (!std::isfinite(value)) return std::nullopt;
    if (value != 0 && value != 1) {
      fail(ErrorCode::InvalidArgument, formula.expression.field(), ": '", formula.expression.text(),
           "' is ", value, " for a jet of event ", jets.event[row], " in ", where,
           ", a condition is true (1) or false (0)");
    }
    return value == 1;
  }

  JetFate select(std::int64_t row, Split split) const {
    const std::optional<bool> all = condition(selection, row);
    if (!all) return JetFate::SelectionNotFinite;
    if (!*all) return JetFate::Selection;
    const auto own = condition(split_selection[static_cast<std::size_t>(split)], row);
    if (!own) return JetFate::SelectionNotFinite;
    return *own ? JetFate::Kept : JetFate::SplitSelection;
  }

  double weigh(std::int64_t row, const GroupRule& group) const {
    const double own = weight ? formulas[*weight].values[row] : 1.0;
    if (own < 0) {
      fail(ErrorCode::InvalidArgument, "weight: '", rules.weight, "' is ", own,
           " for a jet of event ", jets.event[row], " in ", where,
           ", weights must not be negative; take abs(), or leave such jets out by the selection");
    }
    return own * group.weight;
  }

  JetVerdict judge(std::int64_t row, Split split, const GroupRule& group) const {
    JetVerdict verdict{select(row, split), 1};
    if (verdict.fate != JetFate::Kept) return verdict;
    verdict.weight = static_cast<float>(weigh(row, group));
    const double part =
        rules.fraction * rules.split_fraction[static_cast<std::size_t>(split)] * group.fraction;
    if (!std::isfinite(verdict.weight)) {
      verdict.fate = JetFate::WeightNotFinite;
    } else if (part < 1 && !(fraction_draw(rules.fraction_seed, jets, row) < part)) {
      verdict.fate = JetFate::Fraction;
    }
    return verdict;
  }

  struct Observer {
    std::string name;
    Source source;
    std::size_t index;
  };

  DataRules rules;
  std::function<bool(const std::string&)> has_branch;
  std::string where;
  std::map<std::string, std::size_t> variables;  // formulas by name
  std::vector<Input> inputs;
  std::vector<Formula> formulas;
  std::vector<std::string> branches;
  std::vector<Observer> observers;
  std::optional<std::size_t> selection, weight;
  std::array<std::optional<std::size_t>, 3> split_selection;
  edm::JetView jets;  // evaluated last
  std::vector<NumberColumn> observer_values;
};

JetEvaluator::JetEvaluator(const DataRules& rules,
                           const std::function<bool(const std::string&)>& has_branch,
                           const std::string& where)
    : state_(std::make_unique<State>(rules, has_branch, where)) {}

JetEvaluator::~JetEvaluator() = default;
JetEvaluator::JetEvaluator(JetEvaluator&&) noexcept = default;

bool has_weights(const DataRules& rules) noexcept {
  return !rules.weight.empty() || std::any_of(rules.groups.begin(), rules.groups.end(),
                                              [](const auto& group) { return group.weight != 1; });
}

const std::vector<std::string>& JetEvaluator::branches() const noexcept { return state_->branches; }

void JetEvaluator::evaluate(const edm::JetView& jets, std::span<const NumberView> branches) {
  State& own = *state_;
  JETCAL_DCHECK(branches.size() == own.branches.size());
  own.jets = jets;
  own.load_inputs(branches);
  for (State::Formula& formula : own.formulas) own.compute(formula);
  own.collect_observers(branches);
}

JetVerdict JetEvaluator::judge(std::int64_t row, Split split, const GroupRule& group) const {
  return state_->judge(row, split, group);
}

const std::vector<NumberColumn>& JetEvaluator::observers() const noexcept {
  return state_->observer_values;
}

std::span<const double> JetEvaluator::values(std::size_t expression) const {
  return state_->formulas[expression].values;
}

std::size_t JetEvaluator::add_expression(const std::string& text, const std::string& field) {
  return state_->add(text, field);
}

}  // namespace jetcal::data
