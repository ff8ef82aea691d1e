// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/correction_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "jetcal/base/error.h"

namespace jetcal::jec {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAlgorithm = "AK4PFchs";
constexpr std::array kLevels{"L1FastJet", "L2Relative", "L3Absolute", "L2L3Residual"};
constexpr Range kWholePt{1, 6500};

// A row of a file: numbers of a bin of eta.
struct Row {
  double eta_low, eta_high;
  std::vector<Range> clamps;  // of the variables x, y, z
  std::vector<double> parameters;
};

// What a level's file says, whatever the format.
struct Level {
  std::string name;
  std::vector<std::string> variables;  // x, y, z
  std::string formula;                 // on x, y, z
  std::vector<Row> rows;               // by ascending eta
};

// [0]+t*([1]+t*[2]) with t = log10(x/100).
std::string polynomial(std::size_t size) {
  std::string text = fmt::format("[{}]", size - 1);
  for (std::size_t k = size - 1; k-- > 0;) {
    const bool sum = k + 2 < size;
    text = fmt::format("[{}]+log10(x/100.)*{}{}{}", k, sum ? "(" : "", text, sum ? ")" : "");
  }
  return text;
}

// Rows for |eta| become rows for both signs.
std::vector<Row> mirrored(const std::vector<Row>& rows) {
  std::vector<Row> both;
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    both.push_back(*row);
    both.back().eta_low = -row->eta_high;
    both.back().eta_high = row->eta_low == 0 ? 0 : -row->eta_low;
  }
  both.insert(both.end(), rows.begin(), rows.end());
  return both;
}

Level offset_level(const std::vector<OffsetFit>& fits) {
  std::vector<Row> rows;
  rows.reserve(fits.size());
  for (const OffsetFit& fit : fits) {
    rows.push_back({fit.abs_eta.low,
                    fit.abs_eta.high,
                    {fit.rho, fit.pt, fit.area},
                    {fit.rho_zero, fit.density, fit.log_slope}});
  }
  return {kLevels[0],
          {"Rho", "JetPt", "JetA"},
          "max(0.0001,1-(z/y)*([1]*(x-[0])*(1.+[2]*log(y/15.))))",
          mirrored(rows)};
}

Level response_level(const std::vector<ResponseFit>& fits) {
  std::size_t size = 1;
  for (const ResponseFit& fit : fits) size = std::max(size, fit.coefficients.size());
  std::vector<Row> rows;
  for (const ResponseFit& fit : fits) {
    rows.push_back({fit.abs_eta.low, fit.abs_eta.high, {fit.pt}, fit.coefficients});
    rows.back().parameters.resize(size, 0.0);
  }
  return {kLevels[1], {"JetPt"}, polynomial(size), mirrored(rows)};
}

std::vector<Level> make_levels(const Derivation& derivation, const std::string& tag) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  if (tag.empty() || !std::all_of(tag.begin(), tag.end(), allowed))
    fail(ErrorCode::InvalidArgument, "the tag '", tag, "' needs letters, digits, _ and - only");
  std::vector<Level> levels{offset_level(derivation.offset), response_level(derivation.response)};
  const double eta = derivation.offset.back().abs_eta.high;
  for (const char* name : {kLevels[2], kLevels[3]})
    levels.push_back({name, {"JetPt"}, "1", {{-eta, eta, {kWholePt}, {}}}});
  return levels;
}

std::string level_name(const std::string& tag, const std::string& level) {
  return fmt::format("{}_{}_{}", tag, level, kAlgorithm);
}

std::string text_of(const Level& level) {
  std::string text = fmt::format("{{1 JetEta {} {} {} Correction {}}}\n", level.variables.size(),
                                 fmt::join(level.variables, " "), level.formula, level.name);
  for (const Row& row : level.rows) {
    text += fmt::format("{:>7} {:>7} {:>3}", row.eta_low, row.eta_high,
                        2 * row.clamps.size() + row.parameters.size());
    for (const Range& clamp : row.clamps)
      text += fmt::format(" {:>12} {:>12}", clamp.low, clamp.high);
    for (const double parameter : row.parameters) text += fmt::format(" {:>17}", parameter);
    text += "\n";
  }
  return text;
}

// Replaces x, y, z by their clamped values; the clamps follow the parameters.
std::string clamped_formula(const Level& level, std::size_t num_parameters) {
  constexpr std::string_view kVariables = "xyz";
  std::string expression;
  for (std::size_t i = 0; i < level.formula.size(); ++i) {
    const char c = level.formula[i];
    const auto is_letter = [&](std::size_t at) {
      return at < level.formula.size() && level.formula[at] >= 'a' && level.formula[at] <= 'z';
    };
    const std::size_t v = kVariables.find(c);
    if (v == std::string_view::npos || is_letter(i + 1) || (i > 0 && is_letter(i - 1))) {
      expression += c;
      continue;
    }
    expression += fmt::format("max(min({},[{}]),[{}])", c, num_parameters + 2 * v + 1,
                              num_parameters + 2 * v);
  }
  return expression;
}

Json input(const std::string& name) {
  static const std::array<std::pair<const char*, const char*>, 4> kDescriptions{
      {{"JetA", "area of the jet"},
       {"JetEta", "pseudorapidity of the jet"},
       {"JetPt", "pT of the jet before this correction, GeV"},
       {"Rho", "pT density rho of the event, GeV per unit of area"}}};
  for (const auto& [known, description] : kDescriptions) {
    if (name == known) return {{"name", name}, {"type", "real"}, {"description", description}};
  }
  fail(ErrorCode::Internal, "no description of the input ", name);
}

Json json_of(const Level& level, const std::string& tag) {
  std::vector<std::string> names = level.variables;
  names.emplace_back("JetEta");
  std::sort(names.begin(), names.end());
  Json inputs = Json::array(), edges = Json::array(), content = Json::array();
  for (const std::string& name : names) inputs.push_back(input(name));
  edges.push_back(level.rows.front().eta_low);
  for (const Row& row : level.rows) {
    edges.push_back(row.eta_high);
    std::vector<double> parameters = row.parameters;
    for (const Range& clamp : row.clamps)
      parameters.insert(parameters.end(), {clamp.low, clamp.high});
    content.push_back({{"nodetype", "formula"},
                       {"expression", clamped_formula(level, row.parameters.size())},
                       {"parser", "TFormula"},
                       {"variables", level.variables},
                       {"parameters", parameters}});
  }
  return {{"name", level_name(tag, level.name)},
          {"description", level.name + " of simulated AK4 CHS jets, derived by jetcal"},
          {"version", 1},
          {"inputs", inputs},
          {"output", {{"name", "correction"}, {"type", "real"}}},
          {"data",
           {{"nodetype", "binning"},
            {"input", "JetEta"},
            {"edges", edges},
            {"content", content},
            {"flow", 1.0}}}};
}

}  // namespace

std::vector<CorrectionText> correction_texts(const Derivation& derivation, const std::string& tag) {
  std::vector<CorrectionText> texts;
  for (const Level& level : make_levels(derivation, tag))
    texts.push_back({level_name(tag, level.name) + ".txt", text_of(level)});
  return texts;
}

CorrectionText correction_json(const Derivation& derivation, const std::string& tag) {
  Json document{{"schema_version", 2},
                {"description", "Corrections of simulated AK4 CHS jets, derived by jetcal"},
                {"corrections", Json::array()},
                {"compound_corrections", Json::array()}};
  Json stack = Json::array();
  for (const Level& level : make_levels(derivation, tag)) {
    document["corrections"].push_back(json_of(level, tag));
    stack.push_back(level_name(tag, level.name));
  }
  document["compound_corrections"].push_back(
      {{"name", level_name(tag, "L1L2L3Res")},
       {"description", "Product of the levels; each sees the pT that the levels before it made"},
       {"inputs", Json::array({input("JetA"), input("JetEta"), input("JetPt"), input("Rho")})},
       {"output", {{"name", "correction"}, {"type", "real"}}},
       {"inputs_update", Json::array({"JetPt"})},
       {"input_op", "*"},
       {"output_op", "*"},
       {"stack", stack}});
  return {fmt::format("{}_{}.json", tag, kAlgorithm), document.dump(1) + "\n"};
}

}  // namespace jetcal::jec
