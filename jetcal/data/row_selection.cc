// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/row_selection.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "jetcal/base/error.h"
#include "jetcal/data/expression.h"
#include "jetcal/data/ingest.h"
#include "jetcal/data/jet_evaluator.h"

namespace jetcal::data {
namespace {

using Json = nlohmann::ordered_json;

// Takes away what ingest has done, and names it.
class AppliedRules {
 public:
  AppliedRules(const DataRules& asked, const DataRules& applied)
      : rules_(asked), applied_(applied) {}

  DataRules remaining(const std::vector<std::string>& observers,
                      std::vector<std::string>& applied_by_ingest) {
    const bool same_variables =
        rules_.new_variables.empty() || rules_.new_variables == applied_.new_variables;
    if (same_variables) {
      drop(rules_.selection, applied_.selection, "selection");
      for (std::size_t i = 0; i < kSplits.size(); ++i) {
        drop(rules_.split_selection[i], applied_.split_selection[i],
             "selection_" + std::string(split_name(kSplits[i])));
      }
    }
    if (rules_.fraction_seed == applied_.fraction_seed) drop_fractions();
    drop_weights(same_variables);
    drop_stored_variables(observers);
    rules_.observers.clear();
    applied_by_ingest = std::move(names_);
    return rules_;
  }

 private:
  void drop(std::string& asked, const std::string& applied, const std::string& field) {
    if (asked.empty() || asked != applied) return;
    asked.clear();
    names_.push_back(field);
  }

  void drop_fraction(double& asked, double applied, const std::string& field) {
    if (asked == 1 || asked != applied) return;
    asked = 1;
    names_.push_back(field);
  }

  // All fractions of a jet cut the same number, so that one of them is done only if all are.
  bool has_all_fractions() const {
    const auto done = [](double asked, double applied) { return asked == 1 || asked == applied; };
    bool all = done(rules_.fraction, applied_.fraction);
    for (std::size_t i = 0; i < kSplits.size(); ++i)
      all = all && done(rules_.split_fraction[i], applied_.split_fraction[i]);
    return all &&
           std::all_of(rules_.groups.begin(), rules_.groups.end(), [&](const GroupRule& group) {
             return done(group.fraction, applied_.group(group.name).fraction);
           });
  }

  void drop_fractions() {
    if (!has_all_fractions()) return;
    drop_fraction(rules_.fraction, applied_.fraction, "fraction");
    for (std::size_t i = 0; i < kSplits.size(); ++i) {
      drop_fraction(rules_.split_fraction[i], applied_.split_fraction[i],
                    "fraction_" + std::string(split_name(kSplits[i])));
    }
    for (GroupRule& group : rules_.groups) {
      drop_fraction(group.fraction, applied_.group(group.name).fraction,
                    "groups." + group.name + ".fraction");
    }
  }

  // Weights are computed anew only where the rules give other ones than those that are stored.
  void drop_weights(bool same_variables) {
    const bool same_groups = std::all_of(
        rules_.groups.begin(), rules_.groups.end(),
        [&](const GroupRule& group) { return group.weight == applied_.group(group.name).weight; });
    if (!has_weights(rules_) || !same_variables || rules_.weight != applied_.weight || !same_groups)
      return;
    rules_.weight.clear();
    for (GroupRule& group : rules_.groups) group.weight = 1;
    names_.emplace_back("weight");
  }

  // A new variable that travelled along as an observer is taken from the shards.
  void drop_stored_variables(const std::vector<std::string>& observers) {
    std::erase_if(rules_.new_variables, [&](const NamedExpression& variable) {
      if (std::find(observers.begin(), observers.end(), variable.name) == observers.end())
        return false;
      const auto& before = applied_.new_variables;
      if (std::find(before.begin(), before.end(), variable) == before.end()) {
        fail(ErrorCode::InvalidArgument, "new_variables.", variable.name, ": the shards hold a '",
             variable.name, "' of another definition, give this one another name");
      }
      return true;
    });
  }

  DataRules rules_;
  const DataRules& applied_;
  std::vector<std::string> names_;
};

// New variables that only ingest could compute do no harm where nothing asks for them.
void drop_unused_variables(DataRules& rules, const ReweightRules& reweighting) {
  std::set<std::string> used;
  const auto use = [&used](const std::string& text) {
    if (text.empty()) return;
    const Expression expression(text, "data");  // outlives its names
    for (const std::string& name : expression.names()) used.insert(name);
  };
  use(rules.selection);
  use(rules.weight);
  for (const std::string& text : rules.split_selection) use(text);
  for (const ReweightAxis& axis : reweighting.axes) use(axis.variable);
  for (const ReweightClass& one : reweighting.classes) use(one.condition);
  std::vector<NamedExpression> kept;
  for (auto variable = rules.new_variables.rbegin(); variable != rules.new_variables.rend();
       ++variable) {
    if (!used.contains(variable->name)) continue;
    use(variable->text);
    kept.push_back(*variable);
  }
  std::reverse(kept.begin(), kept.end());
  rules.new_variables = std::move(kept);
}

void require_groups(const DataRules& rules, const IngestReport& ingest) {
  for (const GroupRule& group : rules.groups) {
    const bool used = std::any_of(ingest.files.begin(), ingest.files.end(),
                                  [&](const auto& file) { return file.group == group.name; });
    if (!used)
      fail(ErrorCode::InvalidArgument, "groups: no jets of the shards are of the group '",
           group.name, "'");
  }
}

// Tells whether the rules, on shards without weights, leave every jet as it is.
bool changes_nothing(DataRules rules) {
  rules.fraction_seed = DataRules().fraction_seed;
  std::erase_if(rules.groups,
                [](const GroupRule& group) { return group.weight == 1 && group.fraction == 1; });
  return rules.empty();
}

// Without a pass over the jets.
void take_all(const std::vector<Dataset>& datasets, RowSelection& selection) {
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    RowAccount& account = selection.splits[i].account;
    account.read = account.kept = datasets[i].num_jets();
    account.weight = static_cast<double>(account.kept);
  }
}

void count(RowAccount& account, JetFate fate) {
  switch (fate) {
    case JetFate::Kept:
      return;  // counted when the reweighting has had its say
    case JetFate::SelectionNotFinite:
      ++account.selection_not_finite;
      return;
    case JetFate::Selection:
      ++account.rejected_selection;
      return;
    case JetFate::SplitSelection:
      ++account.rejected_split_selection;
      return;
    case JetFate::WeightNotFinite:
      ++account.weight_not_finite;
      return;
    case JetFate::Fraction:
      ++account.not_in_fraction;
      return;
  }
}

// Goes over one split.
class SplitSelector {
 public:
  SplitSelector(const Dataset& dataset, const DataRules& rules, const ReweightRules& reweighting,
                const std::string& where)
      : dataset_(dataset),
        rules_(rules),
        reweighting_(reweighting),
        own_weights_(has_weights(rules)),
        evaluator_(
            rules,
            [&dataset](const std::string& name) {
              const auto& names = dataset.observers();
              return std::find(names.begin(), names.end(), name) != names.end();
            },
            where) {
    for (const ReweightAxis& axis : reweighting.axes)
      axes_.push_back(evaluator_.add_expression(axis.variable, "reweighting.bins"));
    for (const ReweightClass& one : reweighting.classes) {
      classes_.push_back(
          evaluator_.add_expression(one.condition, "reweighting.classes." + one.name));
    }
  }

  // Rows with their weights before any reweighting, and their cells.
  struct Candidates {
    std::vector<std::int64_t> rows;
    std::vector<std::int32_t> cells, shards;
    std::vector<float> weights;
  };

  Candidates select(Split split, const Reweighter& cells, SelectedRows& selected) {
    Candidates found;
    for (std::int64_t shard = 0; shard < dataset_.num_shards(); ++shard)
      select_shard(shard, split, cells, selected, found);
    return found;
  }

 private:
  void select_shard(std::int64_t shard, Split split, const Reweighter& cells,
                    SelectedRows& selected, Candidates& found) {
    const edm::JetView& jets = dataset_.shard(shard);
    const ShardExtras& extras = dataset_.extras(shard);
    evaluator_.evaluate(jets, pick(extras.observers, evaluator_.branches()));
    const GroupRule group = rules_.group(dataset_.group(shard));
    RowAccount& of_group = selected.groups[dataset_.group(shard)];
    for (std::int64_t row = 0; row < jets.num_jets; ++row) {
      ++selected.account.read;
      ++of_group.read;
      JetVerdict verdict = evaluator_.judge(row, split, group);
      count(selected.account, verdict.fate);
      count(of_group, verdict.fate);
      if (verdict.fate != JetFate::Kept) continue;
      if (!own_weights_ && !extras.weight.empty()) verdict.weight = extras.weight[row];
      found.rows.push_back(dataset_.first_row(shard) + row);
      found.weights.push_back(verdict.weight);
      found.shards.push_back(static_cast<std::int32_t>(shard));
      if (!reweighting_.empty())
        found.cells.push_back(static_cast<std::int32_t>(cell_of(cells, row)));
    }
  }

  std::int64_t cell_of(const Reweighter& cells, std::int64_t row) const {
    std::array<double, 2> values{};
    for (std::size_t i = 0; i < axes_.size(); ++i) values[i] = evaluator_.values(axes_[i])[row];
    std::vector<double> conditions;
    for (const std::size_t one : classes_) conditions.push_back(evaluator_.values(one)[row]);
    return cells.cell(std::span(values).first(axes_.size()), conditions);
  }

  const Dataset& dataset_;
  const DataRules& rules_;
  const ReweightRules& reweighting_;
  bool own_weights_;
  JetEvaluator evaluator_;
  std::vector<std::size_t> axes_, classes_;
};

void keep(const Dataset& dataset, const SplitSelector::Candidates& found,
          const Reweighter* reweighter, bool keep_outside, SelectedRows& selected) {
  for (std::size_t i = 0; i < found.rows.size(); ++i) {
    RowAccount& of_group = selected.groups[dataset.group(found.shards[i])];
    double weight = found.weights[i];
    if (reweighter != nullptr) {
      if (found.cells[i] < 0) {
        ++selected.account.outside_reweighting;
        ++of_group.outside_reweighting;
        if (!keep_outside) continue;
      }
      weight *= reweighter->factor(found.cells[i]);
    }
    selected.rows.push_back(found.rows[i]);
    selected.weights.push_back(static_cast<float>(weight));
    for (RowAccount* const account : {&selected.account, &of_group}) {
      ++account->kept;
      account->weight += weight;
    }
  }
}

double sum_of(const std::vector<float>& weights) {
  return std::accumulate(weights.begin(), weights.end(), 0.0);
}

// One scale for all splits: the mean weight of the training jets becomes 1.
void scale_weights(RowSelection& selection) {
  for (const Split split : kSplits) {
    const std::vector<float>& weights = selection.splits[static_cast<std::size_t>(split)].weights;
    if (weights.empty() && split != Split::Train) continue;  // no jets: another error
    check_sum_of_weights(split, sum_of(weights));
  }
  const std::vector<float>& train = selection.splits[0].weights;
  selection.weight_scale = static_cast<double>(train.size()) / sum_of(train);
  for (SelectedRows& split : selection.splits) {
    for (float& weight : split.weights)
      weight = static_cast<float>(weight * selection.weight_scale);
  }
}

// Says "all" where a list would only repeat the shards.
void shorten(SelectedRows& split, bool weighted) {
  if (!weighted) split.weights.clear();
  split.all = std::ssize(split.rows) == split.account.read;
  if (split.all) split.rows.clear();
  if (split.groups.size() == 1 && split.groups.contains("")) split.groups.clear();
}

Json write(const RowAccount& account) {
  return {{"read", account.read},
          {"kept", account.kept},
          {"selection_not_finite", account.selection_not_finite},
          {"rejected_selection", account.rejected_selection},
          {"rejected_split_selection", account.rejected_split_selection},
          {"weight_not_finite", account.weight_not_finite},
          {"not_in_fraction", account.not_in_fraction},
          {"outside_reweighting", account.outside_reweighting},
          {"weight", account.weight}};
}

}  // namespace

bool RowSelection::leaves_all() const noexcept {
  return std::all_of(splits.begin(), splits.end(),
                     [](const auto& split) { return split.all && split.weights.empty(); });
}

RulesLeft rules_left(const DataRules& rules, const ReweightRules& reweighting,
                     const IngestReport& ingest) {
  require_groups(rules, ingest);
  std::vector<std::string> observers;
  for (const NamedExpression& observer : ingest.rules.observers) observers.push_back(observer.name);
  RulesLeft left;
  left.rules = AppliedRules(rules, ingest.rules).remaining(observers, left.applied_by_ingest);
  drop_unused_variables(left.rules, reweighting);
  left.nothing = reweighting.empty() && !has_weights(left.rules) && changes_nothing(left.rules);
  return left;
}

RowSelection select_rows(const std::filesystem::path& dir, const DataRules& rules,
                         const ReweightRules& reweighting) {
  const IngestReport manifest = read_manifest(dir);
  require_groups(rules, manifest);
  std::vector<Dataset> datasets;
  datasets.reserve(kSplits.size());
  for (const Split split : kSplits) datasets.push_back(Dataset::open(dir, split));
  RowSelection selection;
  DataRules remaining = AppliedRules(rules, manifest.rules)
                            .remaining(datasets.front().observers(), selection.applied_by_ingest);
  drop_unused_variables(remaining, reweighting);
  const bool weighted =
      !reweighting.empty() || has_weights(remaining) || datasets.front().has_weights();
  if (!weighted && changes_nothing(remaining)) {
    take_all(datasets, selection);
    return selection;
  }
  const std::string where = "the shards in " + dir.string();
  Reweighter reweighter(reweighting);
  for (const Split split : kSplits) {
    const auto at = static_cast<std::size_t>(split);
    SelectedRows& selected = selection.splits[at];
    SplitSelector selector(datasets[at], remaining, reweighting, where);
    const auto found = selector.select(split, reweighter, selected);
    if (split == Split::Train && !reweighting.empty()) {
      for (std::size_t i = 0; i < found.rows.size(); ++i)
        reweighter.add(found.cells[i], found.weights[i]);
      reweighter.finish();
      selection.reweighted_counts = reweighter.counts();
      selection.num_capped = reweighter.num_capped();
    }
    const bool reweighted = !reweighting.empty() && reweighting.splits[at];
    keep(datasets[at], found, reweighted ? &reweighter : nullptr, reweighting.keep_outside,
         selected);
  }
  if (weighted) scale_weights(selection);
  for (SelectedRows& split : selection.splits) shorten(split, weighted);
  return selection;
}

nlohmann::ordered_json to_json(const RowSelection& selection) {
  Json json;
  for (const Split split : kSplits) {
    const SelectedRows& rows = selection.splits[static_cast<std::size_t>(split)];
    Json& of_split = json[std::string(split_name(split))];
    of_split = write(rows.account);
    for (const auto& [group, account] : rows.groups)
      of_split["groups"][group.empty() ? "-" : group] = write(account);
  }
  json["weight_scale"] = selection.weight_scale;
  json["applied_by_ingest"] = selection.applied_by_ingest;
  if (!selection.reweighted_counts.empty()) {
    json["reweighted_jets"] = selection.reweighted_counts;
    json["capped_jets"] = selection.num_capped;
  }
  return json;
}

}  // namespace jetcal::data
