// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/reweighting.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "jetcal/base/error.h"
#include "jetcal/data/expression.h"
#include "jetcal/edm/flavor.h"

namespace jetcal::data {
namespace {

constexpr std::size_t kMaxAxes = 2;

// Reads the fields of one section and names them in messages.
class ReweightSection {
 public:
  ReweightSection(const Config& config, std::string name)
      : config_(config), name_(std::move(name)) {}

  ReweightRules read() const {
    ReweightRules rules;
    if (!config_.has(name_)) return rules;
    read_axes(rules);
    read_target(rules);
    read_classes(rules);
    rules.max_factor = config_.get(name_ + ".max_factor", rules.max_factor);
    if (!(rules.max_factor >= 1))
      fail_field("max_factor", "must be at least 1, got ", rules.max_factor);
    rules.min_jets = config_.get(name_ + ".min_jets", rules.min_jets);
    if (rules.min_jets < 1) fail_field("min_jets", "must be at least 1, got ", rules.min_jets);
    const auto outside = config_.get<std::string>(name_ + ".outside", "drop");
    if (outside != "drop" && outside != "keep")
      fail_field("outside", "must be drop or keep, got ", outside);
    rules.keep_outside = outside == "keep";
    read_splits(rules);
    return rules;
  }

 private:
  template <typename... Parts>
  [[noreturn]] void fail_field(const std::string& field, const Parts&... parts) const {
    fail(ErrorCode::InvalidArgument, config_.source(), ": ", name_, ".", field, " ", parts...);
  }

  std::vector<double> numbers(const std::string& field, const YAML::Node& node) const {
    try {
      return node.as<std::vector<double>>();
    } catch (const YAML::Exception&) {
      fail_field(field, "must be a list of numbers");
    }
  }

  double number(const std::string& field, const YAML::Node& node) const {
    try {
      return node.as<double>();
    } catch (const YAML::Exception&) {
      fail_field(field, "must be a number");
    }
  }

  YAML::Node node(const std::string& field) const {
    return config_.get<YAML::Node>(name_ + "." + field, YAML::Node(YAML::NodeType::Undefined));
  }

  void read_axes(ReweightRules& rules) const {
    const YAML::Node bins = node("bins");
    if (!bins.IsDefined() || !bins.IsMap() || bins.size() < 1 || bins.size() > kMaxAxes)
      fail_field("bins", "must give the edges of the bins of one or two variables");
    for (const auto& entry : bins) {
      const std::string variable = entry.first.Scalar();
      const Expression checked(variable, name_ + ".bins");  // throws where it is none
      ReweightAxis axis{variable, numbers("bins." + variable, entry.second)};
      const bool ascending =
          std::adjacent_find(axis.edges.begin(), axis.edges.end(),
                             [](double a, double b) { return !(a < b); }) == axis.edges.end();
      if (axis.edges.size() < 2 || !ascending)
        fail_field("bins." + variable, "must be two or more ascending edges");
      rules.axes.push_back(std::move(axis));
    }
  }

  // flat, a list with a number for each bin, or one such list for each bin of the first variable.
  void read_target(ReweightRules& rules) const {
    const YAML::Node target = node("target");
    if (!target.IsDefined() || target.IsNull()) return;
    if (target.IsScalar() && target.Scalar() == "flat") return;
    if (!target.IsSequence()) fail_field("target", "must be flat, or a number for each bin");
    const bool rows = target.size() > 0 && target[0].IsSequence();
    if (rows) {
      const std::int64_t width = std::ssize(rules.axes.back().edges) - 1;
      for (const YAML::Node& row : target) {
        const std::vector<double> values = numbers("target", row);
        if (std::ssize(values) != width)
          fail_field("target", "has a row of ", values.size(), " numbers for ", width, " bins");
        rules.target.insert(rules.target.end(), values.begin(), values.end());
      }
    } else {
      rules.target = numbers("target", target);
    }
    if (std::ssize(rules.target) != rules.num_bins()) {
      fail_field("target", "has ", rules.target.size(), " numbers for ", rules.num_bins(), " bins");
    }
    const bool usable = std::all_of(rules.target.begin(), rules.target.end(),
                                    [](double x) { return x >= 0 && std::isfinite(x); });
    if (!usable || std::accumulate(rules.target.begin(), rules.target.end(), 0.0) <= 0)
      fail_field("target", "must hold numbers that are not negative, and not all 0");
  }

  void read_classes(ReweightRules& rules) const {
    const YAML::Node classes = node("classes");
    if (classes.IsDefined() && classes.IsScalar() && classes.Scalar() == "flavor") {
      for (const edm::Flavor flavor : edm::kFlavors) {
        rules.classes.push_back(
            {std::string(edm::flavor_name(flavor)),
             fmt::format("(hadron_flavor != 0 ? hadron_flavor : abs(parton_flavor)) == {}",
                         static_cast<int>(flavor))});
      }
    } else if (classes.IsDefined() && classes.IsMap()) {
      for (const auto& entry : classes) {
        const Expression checked(entry.second.Scalar(), name_ + ".classes." + entry.first.Scalar());
        rules.classes.push_back({entry.first.Scalar(), entry.second.Scalar()});
      }
    } else if (classes.IsDefined() && !classes.IsNull()) {
      fail_field("classes", "must be flavor, or a mapping of names to conditions");
    }
    const YAML::Node weights = node("class_weights");
    if (!weights.IsDefined() || weights.IsNull()) return;
    if (!weights.IsMap()) fail_field("class_weights", "must be a mapping of classes to numbers");
    for (const auto& entry : weights) {
      const auto found =
          std::find_if(rules.classes.begin(), rules.classes.end(),
                       [&](const auto& one) { return one.name == entry.first.Scalar(); });
      if (found == rules.classes.end())
        fail_field("class_weights", "names '", entry.first.Scalar(), "', which is no class");
      found->weight = number("class_weights." + found->name, entry.second);
      if (!(found->weight >= 0) || !std::isfinite(found->weight))
        fail_field("class_weights", "must be finite and not negative");
    }
  }

  void read_splits(ReweightRules& rules) const {
    if (!config_.has(name_ + ".splits")) return;
    rules.splits = {};
    for (const auto& name :
         config_.get<std::vector<std::string>>(name_ + ".splits", std::vector<std::string>{}))
      rules.splits[static_cast<std::size_t>(parse_split(name))] = true;
    if (!rules.splits[0]) fail_field("splits", "must have train among them");
  }

  const Config& config_;
  std::string name_;
};

}  // namespace

std::int64_t ReweightRules::num_bins() const noexcept {
  std::int64_t bins = axes.empty() ? 0 : 1;
  for (const ReweightAxis& axis : axes) bins *= std::ssize(axis.edges) - 1;
  return bins;
}

ReweightRules read_reweighting(const Config& config, const std::string& prefix) {
  return ReweightSection(config, prefix + "reweighting").read();
}

nlohmann::ordered_json to_json(const ReweightRules& rules) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (rules.empty()) return json;
  for (const ReweightAxis& axis : rules.axes) json["bins"][axis.variable] = axis.edges;
  if (rules.target.empty()) {
    json["target"] = "flat";
  } else {
    json["target"] = rules.target;
  }
  for (const ReweightClass& one : rules.classes)
    json["classes"][one.name] = {{"condition", one.condition}, {"weight", one.weight}};
  if (std::isfinite(rules.max_factor)) json["max_factor"] = rules.max_factor;
  json["min_jets"] = rules.min_jets;
  json["outside"] = rules.keep_outside ? "keep" : "drop";
  for (const Split split : kSplits) {
    if (rules.splits[static_cast<std::size_t>(split)]) json["splits"].push_back(split_name(split));
  }
  return json;
}

Reweighter::Reweighter(const ReweightRules& rules) : rules_(rules) {
  const auto cells = static_cast<std::size_t>(rules.num_bins() *
                                              std::max<std::int64_t>(1, std::ssize(rules.classes)));
  counts_.assign(cells, 0);
  sums_.assign(cells, 0);
}

std::int64_t Reweighter::cell(std::span<const double> values,
                              std::span<const double> conditions) const {
  std::int64_t cell = conditions.empty() ? 0 : -1;
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    if (conditions[i] != 1) continue;
    if (cell >= 0) {
      fail(ErrorCode::InvalidArgument, "reweighting.classes: a jet is of the class ",
           rules_.classes[static_cast<std::size_t>(cell)].name, " and of ", rules_.classes[i].name);
    }
    cell = static_cast<std::int64_t>(i);
  }
  if (cell < 0) return -1;
  for (std::size_t i = 0; i < rules_.axes.size(); ++i) {
    const std::vector<double>& edges = rules_.axes[i].edges;
    if (!(values[i] >= edges.front() && values[i] < edges.back())) return -1;
    const auto above = std::upper_bound(edges.begin(), edges.end(), values[i]);
    cell = cell * (std::ssize(edges) - 1) + (above - edges.begin() - 1);
  }
  return cell;
}

void Reweighter::add(std::int64_t cell, double weight) {
  if (cell < 0) return;
  ++counts_[static_cast<std::size_t>(cell)];
  sums_[static_cast<std::size_t>(cell)] += weight;
}

void Reweighter::finish() {
  factors_.assign(sums_.size(), 0);
  const auto bins = static_cast<std::size_t>(rules_.num_bins());
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    if (counts_[i] == 0 || sums_[i] == 0) continue;
    const double target = rules_.target.empty() ? 1 : rules_.target[i % bins];
    const double of_class = rules_.classes.empty() ? 1 : rules_.classes[i / bins].weight;
    const auto count = static_cast<double>(counts_[i]);
    const double filled = std::max(1.0, static_cast<double>(rules_.min_jets) / count);
    factors_[i] = target * of_class / (sums_[i] * filled);
  }
  const double before = std::accumulate(sums_.begin(), sums_.end(), 0.0);
  const double after = std::inner_product(sums_.begin(), sums_.end(), factors_.begin(), 0.0);
  if (!(after > 0)) {
    fail(ErrorCode::InvalidArgument,
         "reweighting: no training jet with a positive weight lies in a bin with a target");
  }
  for (std::size_t i = 0; i < factors_.size(); ++i) {
    factors_[i] *= before / after;
    if (factors_[i] <= rules_.max_factor) continue;
    factors_[i] = rules_.max_factor;
    capped_ += counts_[i];
  }
}

double Reweighter::factor(std::int64_t cell) const {
  return cell < 0 ? 1 : factors_[static_cast<std::size_t>(cell)];
}

}  // namespace jetcal::data
