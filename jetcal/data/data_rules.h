// SPDX-License-Identifier: Apache-2.0
// The section `data` of a configuration: which jets take part, with which weight, and what travels
// along with them.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "jetcal/base/config.h"
#include "jetcal/data/dataset.h"

namespace jetcal::data {

/// A name for what an expression gives.
struct NamedExpression {
  std::string name, text;
  bool operator==(const NamedExpression&) const = default;
};

/// A group of input files, named in front of a pattern: `qcd:files/*.root`.
struct GroupRule {
  std::string name;
  double weight = 1;    ///< Factor of the weights of its jets; not negative.
  double fraction = 1;  ///< Part of its jets that take part, 0 to 1.
  bool operator==(const GroupRule&) const = default;
};

/// Says which jets take part and what they weigh. Arrays are in the order of kSplits. Expressions
/// are those of expression.h, over the names of JetEvaluator; an empty one is absent.
struct DataRules {
  std::vector<NamedExpression> new_variables;     ///< Each may use those before it.
  std::string selection;                          ///< Of all jets.
  std::array<std::string, 3> split_selection;     ///< Besides, of one split.
  std::vector<NamedExpression> observers;         ///< Carried along, never used in training.
  std::string weight;                             ///< Of each jet; absent: 1.
  double fraction = 1;                            ///< Part of the jets of every split, 0 to 1.
  std::array<double, 3> split_fraction{1, 1, 1};  ///< Besides, of one split.
  std::uint64_t fraction_seed = 1;
  std::vector<GroupRule> groups;

  bool operator==(const DataRules&) const = default;
  /// Tells whether the rules leave jets as they are.
  bool empty() const { return *this == DataRules(); }
  /// Returns the rule of a group; all of weight and fraction 1 for one that has none.
  GroupRule group(const std::string& name) const;
};

/// Reads the fields below `prefix` ("data." or ""). Throws InvalidArgument naming the field that is
/// wrong: an expression that cannot be parsed, two things of one name, a number out of range.
DataRules read_data_rules(const Config& config, const std::string& prefix);

/// Reads new_variables and observers alone.
DataRules read_observer_rules(const Config& config, const std::string& prefix);

/// A section `data` serves ingest and train alike: each takes the fields of the other for known.
void mark_ingest_fields(const Config& config, const std::string& prefix);
void mark_training_fields(const Config& config, const std::string& prefix);

/// Lists the rules under the names of their fields; those that are absent are left out.
nlohmann::ordered_json to_json(const DataRules& rules);
/// Reads back what to_json() wrote.
DataRules data_rules_from_json(const nlohmann::ordered_json& json);

/// Returns a number in [0, 1) that follows from `seed` and the jet alone: its event number, pT and
/// direction, not from files, rows or workers. A jet takes part where it is below the fraction.
double fraction_draw(std::uint64_t seed, const edm::JetView& jets, std::int64_t row);

}  // namespace jetcal::data
