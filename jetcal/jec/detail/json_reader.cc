// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/detail/json_reader.h"

#include <algorithm>
#include <set>

#include "jetcal/jec/detail/json_fields.h"

namespace jetcal::jec::detail {

namespace {

StackOp read_op(const Json& json, const char* name, const JsonPlace& place) {
  const std::string op = text_field(json, name, place);
  if (op == "+") return StackOp::Add;
  if (op == "*") return StackOp::Multiply;
  if (op == "/") return StackOp::Divide;
  if (op == "last" && std::string_view(name) == "output_op") return StackOp::Last;
  place.at(name).error("unknown operation '", op, "'");
}

const Json* find_named(const Json& set, const char* list, const std::string& name) {
  const auto corrections = set.find(list);
  if (corrections == set.end() || !corrections->is_array()) return nullptr;
  for (const Json& correction : *corrections) {
    if (correction.is_object() && correction.contains("name") && correction["name"] == name)
      return &correction;
  }
  return nullptr;
}

std::unique_ptr<CorrectionStack> read_compound(const Json& set, const Json& json,
                                               const std::string& file) {
  const std::string source =
      file + ", compound correction '" + json["name"].get<std::string>() + "'";
  const JsonPlace place{nullptr, nullptr, 0, &source};
  auto stack = std::make_unique<CorrectionStack>();
  std::set<std::string> declared;
  const Json& inputs = array_field(json, "inputs", place);
  const JsonPlace list = place.at("inputs");
  for (std::size_t i = 0; i < inputs.size(); ++i)
    declared.insert(text_field(inputs[i], "name", list.at(i)));
  for (const std::string& name : texts_field(json, "stack", place)) {
    const Json* correction = find_named(set, "corrections", name);
    if (correction == nullptr) place.at("stack").error("the file has no correction '", name, "'");
    std::shared_ptr<const CorrectionTree> tree = read_correction(*correction, file);
    for (const TreeInput& input : tree->inputs) {
      if (!declared.contains(input.name)) {
        place.at("inputs").error("the input ", input.name, " of '", name, "' is missing");
      }
    }
    stack->add(name, std::move(tree));
  }
  if (stack->levels.empty()) place.at("stack").error("no correction");
  stack->input_op = read_op(json, "input_op", place);
  stack->output_op = read_op(json, "output_op", place);
  for (const std::string& name : texts_field(json, "inputs_update", place)) {
    if (!declared.contains(name))
      place.at("inputs_update").error("'", name, "' is none of the inputs");
    stack->update(name);
  }
  return stack;
}

// The name that is meant when the user gives none.
std::string only_name(const Json& set, const std::string& file) {
  const JsonPlace root{nullptr, nullptr, 0, &file};
  for (const char* list : {"compound_corrections", "corrections"}) {
    const auto found = set.find(list);
    if (found == set.end() || !found->is_array() || found->empty()) continue;
    if (found->size() == 1) {
      const JsonPlace place = root.at(list);
      return text_field((*found)[0], "name", place.at(std::size_t{0}));
    }
    fail(ErrorCode::InvalidArgument, file, " holds ", found->size(),
         list[1] == 'o' && list[2] == 'm' ? " compound corrections" : " corrections",
         ", give the name of one");
  }
  fail(ErrorCode::InvalidArgument, file, " holds no correction");
}

}  // namespace

nlohmann::json parse_correction_set(const CorrectionText& text) {
  Json set;
  try {
    set = Json::parse(text.text);
  } catch (const Json::parse_error& error) {
    fail(ErrorCode::DataLoss, text.name, ": no valid JSON at byte ", error.byte, " of ",
         text.text.size());
  } catch (const Json::out_of_range&) {
    fail(ErrorCode::DataLoss, text.name, ": a number is too large for a double");
  }
  const JsonPlace place{nullptr, nullptr, 0, &text.name};
  const double version = number_field(set, "schema_version", place);
  if (version != 2)
    place.error("schema version ", version, " of correctionlib, only version 2 can be read");
  array_field(set, "corrections", place);
  return set;
}

std::unique_ptr<CorrectionStack> read_stack(const nlohmann::json& set, const std::string& file,
                                            const std::string& name) {
  const std::string wanted = name.empty() ? only_name(set, file) : name;
  std::unique_ptr<CorrectionStack> stack;
  if (const Json* compound = find_named(set, "compound_corrections", wanted)) {
    stack = read_compound(set, *compound, file);
  } else if (const Json* correction = find_named(set, "corrections", wanted)) {
    stack = std::make_unique<CorrectionStack>();
    stack->add(wanted, read_correction(*correction, file));
  } else {
    fail(ErrorCode::NotFound, file, " holds no correction '", wanted,
         "'; 'jetcal jec list' shows what it holds");
  }
  stack->sort_inputs();
  return stack;
}

}  // namespace jetcal::jec::detail
