// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/data_rules.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/data/expression.h"

namespace jetcal::data {
namespace {

using Json = nlohmann::ordered_json;

bool is_name(const std::string& text) {
  const auto is_letter = [](unsigned char c) { return std::isalpha(c) != 0 || c == '_'; };
  return !text.empty() && is_letter(static_cast<unsigned char>(text.front())) &&
         std::all_of(text.begin(), text.end(),
                     [is_letter](unsigned char c) { return is_letter(c) || std::isdigit(c) != 0; });
}

// Reads fields with one prefix and names them in messages.
class Section {
 public:
  Section(const Config& config, const std::string& prefix) : config_(config), prefix_(prefix) {}

  std::string expression(const std::string& name) const {
    std::string text = config_.get<std::string>(prefix_ + name, "");
    if (config_.has(prefix_ + name)) check(text, prefix_ + name);
    return text;
  }

  double fraction(const std::string& name) const {
    const double part = config_.get(prefix_ + name, 1.0);
    if (!(part > 0 && part <= 1)) fail_field(name, "must be above 0 and not above 1, got ", part);
    return part;
  }

  std::vector<NamedExpression> named_map(const std::string& name) const {
    const YAML::Node node = read(name);
    std::vector<NamedExpression> result;
    if (!node.IsDefined() || node.IsNull()) return result;
    if (!node.IsMap()) fail_field(name, "must be a mapping of names to expressions");
    for (const auto& entry : node)
      result.push_back(named(name, entry.first.Scalar(), entry.second));
    require_distinct(name, result);
    return result;
  }

  // A list of names, or of mappings of one name to an expression.
  std::vector<NamedExpression> named_list(const std::string& name) const {
    const YAML::Node node = read(name);
    std::vector<NamedExpression> result;
    if (!node.IsDefined() || node.IsNull()) return result;
    if (!node.IsSequence()) fail_field(name, "must be a list of names");
    for (const YAML::Node& entry : node) {
      if (entry.IsMap() && entry.size() == 1) {
        const auto only = entry.begin();
        result.push_back(named(name, only->first.Scalar(), only->second));
      } else if (entry.IsScalar() && is_name(entry.Scalar())) {
        result.push_back({entry.Scalar(), entry.Scalar()});
      } else {
        fail_field(name, "must list names, or name: expression");
      }
    }
    require_distinct(name, result);
    return result;
  }

  std::vector<GroupRule> groups() const {
    const YAML::Node node = read("groups");
    std::vector<GroupRule> result;
    if (!node.IsDefined() || node.IsNull()) return result;
    if (!node.IsMap()) fail_field("groups", "must be a mapping of names to weight and fraction");
    for (const auto& entry : node) {
      GroupRule group;
      group.name = entry.first.Scalar();
      const std::string field = "groups." + group.name;
      if (!is_name(group.name) || !entry.second.IsMap())
        fail_field(field, "must be a name with the fields weight and fraction");
      for (const auto& value : entry.second) {
        const std::string key = value.first.Scalar();
        if (key != "weight" && key != "fraction")
          fail_field(field, "has an unknown field '", key, "', known are weight and fraction");
        (key == "weight" ? group.weight : group.fraction) = number(field + "." + key, value.second);
      }
      if (!(group.weight >= 0) || !std::isfinite(group.weight))
        fail_field(field + ".weight", "must be finite and not negative, got ", group.weight);
      if (!(group.fraction > 0 && group.fraction <= 1)) {
        fail_field(field + ".fraction", "must be above 0 and not above 1, got ", group.fraction);
      }
      result.push_back(group);
    }
    return result;
  }

 private:
  template <typename... Parts>
  [[noreturn]] void fail_field(const std::string& name, const Parts&... parts) const {
    fail(ErrorCode::InvalidArgument, config_.source(), ": ", prefix_, name, " ", parts...);
  }

  YAML::Node read(const std::string& name) const {
    return config_.get<YAML::Node>(prefix_ + name, YAML::Node(YAML::NodeType::Undefined));
  }

  double number(const std::string& name, const YAML::Node& node) const {
    try {
      return node.as<double>();
    } catch (const YAML::Exception&) {
      fail_field(name, "must be a number");
    }
  }

  static void check(const std::string& text, const std::string& field) { Expression(text, field); }

  NamedExpression named(const std::string& field, const std::string& name,
                        const YAML::Node& text) const {
    if (!is_name(name))
      fail_field(field, "has a name of other signs than A-Z a-z 0-9 _: '", name, "'");
    if (!text.IsScalar()) fail_field(field + "." + name, "must be an expression");
    check(text.Scalar(), prefix_ + field + "." + name);
    return {name, text.Scalar()};
  }

  void require_distinct(const std::string& field, const std::vector<NamedExpression>& list) const {
    std::set<std::string> seen;
    for (const NamedExpression& entry : list) {
      if (!seen.insert(entry.name).second) fail_field(field, "names '", entry.name, "' twice");
    }
  }

  const Config& config_;
  const std::string& prefix_;
};

Json write(const std::vector<NamedExpression>& list) {
  Json json = Json::array();
  for (const NamedExpression& entry : list) json.push_back({entry.name, entry.text});
  return json;
}

std::vector<NamedExpression> parse(const Json& json) {
  std::vector<NamedExpression> list;
  for (const Json& entry : json)
    list.push_back({entry.at(0).get<std::string>(), entry.at(1).get<std::string>()});
  return list;
}

}  // namespace

GroupRule DataRules::group(const std::string& name) const {
  const auto found = std::find_if(groups.begin(), groups.end(),
                                  [&](const GroupRule& group) { return group.name == name; });
  return found == groups.end() ? GroupRule{name} : *found;
}

DataRules read_data_rules(const Config& config, const std::string& prefix) {
  const Section section(config, prefix);
  DataRules rules;
  rules.new_variables = section.named_map("new_variables");
  rules.selection = section.expression("selection");
  rules.observers = section.named_list("observers");
  rules.weight = section.expression("weight");
  rules.fraction = section.fraction("fraction");
  for (std::size_t i = 0; i < kSplits.size(); ++i) {
    const std::string split(split_name(kSplits[i]));
    rules.split_selection[i] = section.expression("selection_" + split);
    rules.split_fraction[i] = section.fraction("fraction_" + split);
  }
  rules.fraction_seed = config.get(prefix + "fraction_seed", rules.fraction_seed);
  rules.groups = section.groups();
  return rules;
}

DataRules read_observer_rules(const Config& config, const std::string& prefix) {
  const Section section(config, prefix);
  DataRules rules;
  rules.new_variables = section.named_map("new_variables");
  rules.observers = section.named_list("observers");
  return rules;
}

void mark_ingest_fields(const Config& config, const std::string& prefix) {
  for (const char* const field :
       {"inputs", "tree", "gen_pt_min", "gen_eta_max", "reco_pt_min", "reco_eta_max",
        "keep_unmatched", "split", "fractions", "seed", "train", "validation", "test"}) {
    static_cast<void>(config.has(prefix + field));
  }
}

void mark_training_fields(const Config& config, const std::string& prefix) {
  for (const char* const field : {"reweighting", "standardisation"})
    static_cast<void>(config.has(prefix + field));
}

nlohmann::ordered_json to_json(const DataRules& rules) {
  Json json = Json::object();
  if (!rules.new_variables.empty()) json["new_variables"] = write(rules.new_variables);
  if (!rules.selection.empty()) json["selection"] = rules.selection;
  if (!rules.observers.empty()) json["observers"] = write(rules.observers);
  if (!rules.weight.empty()) json["weight"] = rules.weight;
  const DataRules plain;
  if (rules.fraction != 1) json["fraction"] = rules.fraction;
  for (std::size_t i = 0; i < kSplits.size(); ++i) {
    const std::string split(split_name(kSplits[i]));
    if (!rules.split_selection[i].empty()) json["selection_" + split] = rules.split_selection[i];
    if (rules.split_fraction[i] != 1) json["fraction_" + split] = rules.split_fraction[i];
  }
  if (rules.fraction_seed != plain.fraction_seed) json["fraction_seed"] = rules.fraction_seed;
  for (const GroupRule& group : rules.groups)
    json["groups"][group.name] = {{"weight", group.weight}, {"fraction", group.fraction}};
  return json;
}

DataRules data_rules_from_json(const nlohmann::ordered_json& json) {
  DataRules rules;
  if (json.contains("new_variables")) rules.new_variables = parse(json.at("new_variables"));
  if (json.contains("observers")) rules.observers = parse(json.at("observers"));
  rules.selection = json.value("selection", "");
  rules.weight = json.value("weight", "");
  rules.fraction = json.value("fraction", 1.0);
  for (std::size_t i = 0; i < kSplits.size(); ++i) {
    const std::string split(split_name(kSplits[i]));
    rules.split_selection[i] = json.value("selection_" + split, "");
    rules.split_fraction[i] = json.value("fraction_" + split, 1.0);
  }
  rules.fraction_seed = json.value("fraction_seed", rules.fraction_seed);
  if (json.contains("groups")) {
    for (const auto& [name, group] : json.at("groups").items()) {
      rules.groups.push_back(
          {name, group.at("weight").get<double>(), group.at("fraction").get<double>()});
    }
  }
  return rules;
}

double fraction_draw(std::uint64_t seed, const edm::JetView& jets, std::int64_t row) {
  const auto i = static_cast<std::size_t>(row);
  const auto bits = [](float x) {
    return static_cast<std::uint64_t>(std::bit_cast<std::uint32_t>(x));
  };
  std::uint64_t hash = mix64(seed, jets.event[i]);
  hash = mix64(hash, bits(jets.pt_reco[i]) << 32 | bits(jets.eta[i]));
  hash = mix64(hash, bits(jets.phi[i]));
  return static_cast<double>(hash >> 11) * 0x1.0p-53;
}

}  // namespace jetcal::data
