// SPDX-License-Identifier: Apache-2.0
// Makes the tree of one correction of a correctionlib JSON.
#include <algorithm>
#include <limits>
#include <map>

#include "jetcal/jec/detail/json_fields.h"
#include "jetcal/jec/detail/json_reader.h"

namespace jetcal::jec::detail {

namespace {

constexpr int kMaxDepth = 100;  // of nodes in nodes; a hostile file could exhaust the stack

class CorrectionReader {
 public:
  CorrectionReader(const Json& json, const std::string& file)
      : json_(json), tree_(std::make_unique<CorrectionTree>()) {
    const JsonPlace place{nullptr, nullptr, 0, &file};
    name_ = text_field(json, "name", place);
    source_ = file + ", correction '" + name_ + "'";
  }

  std::unique_ptr<CorrectionTree> read() {
    const JsonPlace place{nullptr, nullptr, 0, &source_};
    tree_->source = source_;
    tree_->level = name_;
    read_inputs(place);
    const Json& output = field(json_, "output", place);
    if (text_field(output, "type", place.at("output")) != "real")
      place.at("output").error("only outputs of type real exist");
    if (json_.contains("generic_formulas") && !json_["generic_formulas"].is_null())
      read_generic_formulas(place);
    tree_->root = node(field(json_, "data", place), place.at("data"), 0);
    tree_->finish();
    return std::move(tree_);
  }

 private:
  void read_inputs(const JsonPlace& place) {
    const Json& inputs = array_field(json_, "inputs", place);
    const JsonPlace list = place.at("inputs");
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const JsonPlace here = list.at(i);
      TreeInput input;
      input.name = text_field(inputs[i], "name", here);
      const std::string type = text_field(inputs[i], "type", here);
      if (type == "string") {
        input.type = TreeInput::Type::Text;
      } else if (type == "int") {
        input.type = TreeInput::Type::Integer;
      } else if (type != "real") {
        here.error("unknown type '", type, "', known are real, int and string");
      }
      auto& names = input.type == TreeInput::Type::Text ? tree_->text_inputs : tree_->number_inputs;
      input.column = static_cast<int>(names.size());
      names.push_back(input.name);
      tree_->inputs.push_back(std::move(input));
    }
  }

  const TreeInput& input_named(const std::string& name, const JsonPlace& place) const {
    for (const TreeInput& input : tree_->inputs)
      if (input.name == name) return input;
    place.error("'", name, "' is none of the inputs");
  }
  const TreeInput& number_input(const std::string& name, const JsonPlace& place) const {
    const TreeInput& input = input_named(name, place);
    if (input.type == TreeInput::Type::Text) place.error("the input '", name, "' is a text");
    return input;
  }

  void read_generic_formulas(const JsonPlace& place) {
    const Json& formulas = array_field(json_, "generic_formulas", place);
    const JsonPlace list = place.at("generic_formulas");
    for (std::size_t i = 0; i < formulas.size(); ++i)
      generic_.push_back(program(formulas[i], list.at(i)));
  }

  // Returns the program of a formula; equal ones are compiled once.
  int program(const Json& json, const JsonPlace& place) {
    const std::string parser = text_field(json, "parser", place);
    if (parser != "TFormula") place.error("unknown parser '", parser, "', known is TFormula");
    std::string expression = text_field(json, "expression", place);
    FormulaBinding binding;
    binding.dialect = Dialect::Correctionlib;
    for (const std::string& name : texts_field(json, "variables", place)) {
      const TreeInput& input = number_input(name, place.at("variables"));
      if (input.type != TreeInput::Type::Real)
        place.at("variables").error("formulas take real inputs only, '", name, "' is not");
      binding.variables.push_back(input.column);
    }
    const auto key = std::make_pair(expression, binding.variables);
    const auto found = programs_.find(key);
    if (found != programs_.end()) return found->second;
    binding.source = place.text();
    tree_->programs.push_back(Formula::parse(expression, binding));
    const int index = static_cast<int>(tree_->programs.size()) - 1;
    programs_.emplace(key, index);
    return index;
  }

  int leaf(int program, const std::vector<double>& params, const JsonPlace& place) {
    const int needed = tree_->programs[static_cast<std::size_t>(program)].num_params();
    if (static_cast<int>(params.size()) < needed)
      place.error("the formula needs ", needed, " parameters, there are ", params.size());
    return tree_->add_leaf(program, params);
  }

  int formula(const Json& json, const JsonPlace& place) {
    std::vector<double> params;
    if (json.contains("parameters") && !json["parameters"].is_null())
      params = numbers_field(json, "parameters", place);
    return leaf(program(json, place), params, place);
  }

  int formula_reference(const Json& json, const JsonPlace& place) {
    const double index = number_field(json, "index", place);
    if (index < 0 || index >= static_cast<double>(generic_.size()))
      place.error("the index ", index, " is none of the ", generic_.size(), " generic formulas");
    return leaf(generic_[static_cast<std::size_t>(index)], numbers_field(json, "parameters", place),
                place);
  }

  static double edge(const Json& json, const JsonPlace& place) {
    if (json.is_number()) return json.get<double>();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (json == "inf" || json == "+inf") return kInfinity;
    if (json == "-inf") return -kInfinity;
    place.error("expected a number, \"inf\" or \"-inf\", found ", json.dump());
  }

  Axis axis(const Json& edges, const std::string& input, const JsonPlace& place) const {
    Axis axis;
    axis.input = number_input(input, place).column;
    if (edges.is_object()) {
      const double n = number_field(edges, "n", place);
      axis.low = number_field(edges, "low", place);
      axis.high = number_field(edges, "high", place);
      if (!(n >= 1 && n <= 1e8) || !(axis.low < axis.high))
        place.error("uniform bins need n >= 1 and low < high");
      axis.num_bins = static_cast<int>(n);
      return axis;
    }
    if (!edges.is_array() || edges.size() < 2)
      place.error("expected two or more edges, or n, low and high");
    for (std::size_t i = 0; i < edges.size(); ++i) {
      axis.edges.push_back(edge(edges[i], place.at(i)));
      if (i > 0 && !(axis.edges[i - 1] < axis.edges[i]))
        place.at(i).error("the edges do not ascend: ", axis.edges[i - 1], " before ",
                          axis.edges[i]);
    }
    axis.num_bins = static_cast<int>(edges.size()) - 1;
    return axis;
  }

  int binning(const Json& json, const JsonPlace& place, int depth) {
    Node made;
    made.kind = NodeKind::Binning;
    made.axes.push_back(
        axis(field(json, "edges", place), text_field(json, "input", place), place.at("edges")));
    return finish_binning(json, place, depth, std::move(made));
  }

  int multibinning(const Json& json, const JsonPlace& place, int depth) {
    const std::vector<std::string> inputs = texts_field(json, "inputs", place);
    const Json& edges = array_field(json, "edges", place);
    if (inputs.empty() || inputs.size() != edges.size()) {
      place.error("there are ", inputs.size(), " inputs and ", edges.size(), " lists of edges");
    }
    Node made;
    made.kind = NodeKind::Binning;
    const JsonPlace list = place.at("edges");
    for (std::size_t i = 0; i < inputs.size(); ++i)
      made.axes.push_back(axis(edges[i], inputs[i], list.at(i)));
    for (std::size_t i = inputs.size() - 1; i > 0; --i)
      made.axes[i - 1].stride = made.axes[i].stride * made.axes[i].num_bins;
    return finish_binning(json, place, depth, std::move(made));
  }

  int finish_binning(const Json& json, const JsonPlace& place, int depth, Node made) {
    const Json& content = array_field(json, "content", place);
    double bins = 1;
    for (const Axis& axis : made.axes) bins *= axis.num_bins;
    if (bins != static_cast<double>(content.size())) {
      place.error("the edges make ", bins, " bins, the content has ", content.size(),
                  ": a bin is missing or too many");
    }
    const Json& flow = field(json, "flow", place);
    if (flow == "clamp") {
      made.flow = Flow::Clamp;
    } else if (flow == "error") {
      made.flow = Flow::Error;
    } else if (flow == "wrap") {
      made.flow = Flow::Wrap;
    } else {
      made.flow = Flow::Default;
      made.fallback = node(flow, place.at("flow"), depth + 1);
    }
    const JsonPlace list = place.at("content");
    for (std::size_t i = 0; i < content.size(); ++i)
      made.children.push_back(node(content[i], list.at(i), depth + 1));
    return add(std::move(made));
  }

  int category(const Json& json, const JsonPlace& place, int depth) {
    const TreeInput& input = input_named(text_field(json, "input", place), place.at("input"));
    if (input.type == TreeInput::Type::Real)
      place.at("input").error("a category needs a text or int input, '", input.name, "' is real");
    Node made;
    made.kind = NodeKind::Category;
    made.input = input.column;
    made.by_text = input.type == TreeInput::Type::Text;
    std::map<std::int64_t, int> values;
    const Json& content = array_field(json, "content", place);
    const JsonPlace list = place.at("content");
    for (std::size_t i = 0; i < content.size(); ++i) {
      const JsonPlace here = list.at(i);
      const std::int64_t key = category_key(field(content[i], "key", here), made.by_text, here);
      const int value = node(field(content[i], "value", here), here.at("value"), depth + 1);
      if (!values.emplace(key, value).second) here.error("the key stands twice");
    }
    for (const auto& [key, value] : values) {
      made.keys.push_back(key);
      made.children.push_back(value);
    }
    if (json.contains("default") && !json["default"].is_null())
      made.fallback = node(json["default"], place.at("default"), depth + 1);
    return add(std::move(made));
  }

  std::int64_t category_key(const Json& key, bool by_text, const JsonPlace& place) {
    if (by_text) {
      if (!key.is_string()) place.error("the key is no text, but the input is");
      const auto id = static_cast<std::int64_t>(tree_->text_keys.size());
      return tree_->text_keys.emplace(key.get<std::string>(), id).first->second;
    }
    if (!key.is_number_integer()) place.error("the key is no integer, but the input is");
    return key.get<std::int64_t>();
  }

  int transform(const Json& json, const JsonPlace& place, int depth) {
    const TreeInput& input = number_input(text_field(json, "input", place), place.at("input"));
    Node made;
    made.kind = NodeKind::Transform;
    made.input = input.column;
    made.rounded = input.type == TreeInput::Type::Integer;
    made.fallback = node(field(json, "rule", place), place.at("rule"), depth + 1);
    made.children.push_back(node(field(json, "content", place), place.at("content"), depth + 1));
    return add(std::move(made));
  }

  int random(const Json& json, const JsonPlace& place) {
    Node made;
    made.kind = NodeKind::Random;
    for (const std::string& name : texts_field(json, "inputs", place))
      made.inputs.push_back(number_input(name, place.at("inputs")).column);
    const std::string distribution = text_field(json, "distribution", place);
    if (distribution == "stdflat") {
      made.distribution = Distribution::Flat;
    } else if (distribution == "stdnormal") {
      made.distribution = Distribution::StandardNormal;
    } else if (distribution == "normal") {
      made.distribution = Distribution::Normal;
    } else {
      place.error("unknown distribution '", distribution,
                  "', known are stdflat, stdnormal and normal");
    }
    return add(std::move(made));
  }

  int add(Node made) {
    tree_->nodes.push_back(std::move(made));
    return static_cast<int>(tree_->nodes.size()) - 1;
  }

  int node(const Json& json, const JsonPlace& place, int depth) {
    if (depth > kMaxDepth) place.error("nodes are nested more than ", kMaxDepth, " deep");
    if (json.is_number()) return tree_->add_constant(json.get<double>());
    const std::string type = text_field(json, "nodetype", place);
    if (type == "binning") return binning(json, place, depth);
    if (type == "multibinning") return multibinning(json, place, depth);
    if (type == "category") return category(json, place, depth);
    if (type == "formula") return formula(json, place);
    if (type == "formularef") return formula_reference(json, place);
    if (type == "transform") return transform(json, place, depth);
    if (type == "hashprng") return random(json, place);
    place.error("unknown node type '", type, "'");
  }

  const Json& json_;
  std::string name_, source_;
  std::unique_ptr<CorrectionTree> tree_;
  std::vector<int> generic_;  // programs
  std::map<std::pair<std::string, std::vector<int>>, int> programs_;
};

}  // namespace

std::unique_ptr<CorrectionTree> read_correction(const nlohmann::json& correction,
                                                const std::string& file) {
  return CorrectionReader(correction, file).read();
}

}  // namespace jetcal::jec::detail
