// SPDX-License-Identifier: Apache-2.0
// What a search may choose: parameters, their ranges, and which of them exist when.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "jetcal/base/config.h"

namespace jetcal::hpo {

/// One value of a parameter: an integer, a real number or a word.
using Value = std::variant<std::int64_t, double, std::string>;

/// Values by the parameters' names; parameters whose condition does not hold are absent.
using Assignment = std::map<std::string, Value>;

/// Makes a parameter exist only where another one has one of some values.
struct Condition {
  std::string parent;
  std::vector<Value> values;
};

/// One dimension of a space.
struct Parameter {
  enum class Kind {
    Integer,      ///< low, low + step, ... up to high; step 1 where none is given.
    Float,        ///< [low, high], or low, low + step, ... where a step is given.
    Categorical,  ///< One of `choices`, which have no order.
    Discrete,     ///< One of `choices`, numbers in ascending order.
  };
  std::string name;
  Kind kind = Kind::Float;
  double low = 0;
  double high = 1;
  double step = 0;             ///< 0: none.
  bool log = false;            ///< Integer and Float: uniform in the logarithm; low > 0.
  std::vector<Value> choices;  ///< Categorical and Discrete, at least one, all different.
  std::optional<Condition> condition;
};

/// An ordered list of parameters; a parent comes before those that depend on it.
class SearchSpace {
 public:
  /// Throws InvalidArgument naming the parameter and what is wrong with it.
  explicit SearchSpace(std::vector<Parameter> parameters);
  /// Reads the mapping `section` of a file, e.g.
  ///
  ///     parameters:
  ///       learning_rate: {type: float, low: 1e-5, high: 1e-2, log: true}
  ///       optimizer: {type: categorical, choices: [adam, ranger]}
  ///       momentum: {type: float, low: 0, high: 0.9, when: {optimizer: [sgd]}}
  static SearchSpace from_config(const Config& config, const std::string& section);
  /// The spaces of the paper (Table 1): "paper-pfn" (7 parameters) and "paper-particlenet" (9).
  /// Throws NotFound naming the ones there are.
  static SearchSpace preset(const std::string& name);

  const std::vector<Parameter>& parameters() const noexcept { return parameters_; }
  const Parameter* find(const std::string& name) const noexcept;
  /// Tells whether a parameter exists under these values of its parents.
  bool active(const Parameter& parameter, const Assignment& values) const;
  /// Throws InvalidArgument unless `values` holds exactly the active parameters, each in its range.
  void check(const Assignment& values) const;
  /// Writes the space as YAML that from_config reads back.
  std::string dump() const;

 private:
  std::vector<Parameter> parameters_;
};

/// Prints a value: integers and words as they are, numbers with the fewest digits that read back.
std::string to_string(const Value& value);
/// Reads the text of a value of this parameter. Throws InvalidArgument naming it.
Value parse_value(const Parameter& parameter, const std::string& text);

}  // namespace jetcal::hpo
