// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/binding.h"

#include "jetcal/pipeline/content_hash.h"
#include "jetcal/pipeline/detail/json_field.h"

namespace jetcal::pipeline {
namespace {

using Kind = Fragment::Kind;

// The words that a fragment stands for; nothing where the input is absent.
std::optional<std::vector<std::string>> texts(const Fragment& part, const Binding& binding) {
  const auto entries = [&part](const Json& value) -> std::vector<std::string> {
    if (!value.is_array() || part.json) return {text_of(value)};
    std::vector<std::string> all;
    for (const Json& entry : value) all.push_back(text_of(entry));
    return all;
  };
  switch (part.kind) {
    case Kind::Text:
      return std::vector{part.text};
    case Kind::Work:
      return std::vector{binding.work.string()};
    case Kind::Output:
      return std::vector{(binding.work / binding.step->find_output(part.text)->path).string()};
    case Kind::Resource:
      if (part.text == "memory") return std::vector{std::to_string(binding.memory)};
      if (part.text == "gpus") return std::vector{std::to_string(binding.gpus)};
      return std::vector{
          std::to_string(std::max<std::int64_t>(1, static_cast<std::int64_t>(binding.cores)))};
    case Kind::Service: {
      const std::string port = std::to_string(binding.port);
      return std::vector{part.text == "port" ? port : "http://127.0.0.1:" + port};
    }
    case Kind::Input: {
      const BoundInput& input = binding.inputs.at(part.text);
      if (input.absent) return std::nullopt;
      if (!is_artifact(input.type)) return entries(input.value);
      std::vector<std::string> paths;
      for (const BoundArtifact& artifact : input.artifacts) paths.push_back(artifact.path.string());
      return part.json ? std::vector{Json(paths).dump()} : paths;
    }
    default:
      return entries(value_of(part, binding));
  }
}

// Names that the words of a step refer to, of one kind.
void collect(const std::vector<Word>& words, Kind kind, std::set<std::string>& names) {
  for (const Word& word : words) {
    for (const Fragment& part : word) {
      if (part.kind == kind) names.insert(part.text);
    }
  }
}

Json templates(const std::vector<Word>& words) {
  Json list = Json::array();
  for (const Word& word : words) list.push_back(to_string(word));
  return list;
}

Json input_component(const BoundInput& input) {
  if (input.absent) return nullptr;
  if (!is_artifact(input.type)) return {{"value", input.value}};
  if (!input.list) return {{"sha256", input.artifacts.at(0).sha256}};
  Json hashes = Json::array();
  for (const BoundArtifact& artifact : input.artifacts) hashes.push_back(artifact.sha256);
  return {{"sha256", hashes}};
}

std::string shown(const Json& value) {
  constexpr std::size_t kLongest = 80;
  const std::string text = value.dump();
  return text.size() <= kLongest ? text : text.substr(0, kLongest - 3) + "...";
}

// Files and variables are one text each: lists are joined, as within a word.
std::map<std::string, std::string> expand_texts(const std::map<std::string, Word>& words,
                                                const Binding& binding) {
  std::map<std::string, std::string> texts;
  for (const auto& [name, word] : words) {
    Word whole = word;
    whole.push_back({Kind::Text, "", false});
    const std::vector<std::string> text = expand({whole}, binding);
    if (!text.empty()) texts[name] = text.front();
  }
  return texts;
}

// Compares two mappings entry by entry.
void compare_group(const std::string& what, const Json& now, const Json& before,
                   std::vector<std::string>& found) {
  for (const auto& [name, value] : now.items()) {
    if (!before.contains(name)) {
      found.push_back(what + " " + name + " is new");
    } else if (before[name] != value) {
      const bool contents = value.is_object() && value.contains("sha256");
      found.push_back(contents ? what + " " + name + " has other contents"
                               : what + " " + name + " is " + shown(value) + ", was " +
                                     shown(before[name]));
    }
  }
  for (const auto& [name, value] : before.items()) {
    if (!now.contains(name)) found.push_back(what + " " + name + " is gone");
  }
}

}  // namespace

Json value_of(const Fragment& reference, const Binding& binding) {
  if (reference.kind == Kind::Parameter) return binding.parameters.at(reference.text);
  if (reference.kind == Kind::Input) return binding.inputs.at(reference.text).value;
  const Json& item = *binding.item;
  if (reference.text.empty()) return item;
  if (!item.is_object() || !item.contains(reference.text))
    fail(ErrorCode::InvalidArgument, "the item ", item.dump(), " of the step '", binding.step->name,
         "' has no field '", reference.text, "'");
  return item[reference.text];
}

std::vector<std::string> expand(const std::vector<Word>& words, const Binding& binding) {
  std::vector<std::string> line;
  for (const Word& word : words) {
    if (word.size() == 1) {
      if (const auto whole = texts(word[0], binding))
        line.insert(line.end(), whole->begin(), whole->end());
      continue;
    }
    std::string joined;
    bool absent = false;
    for (const Fragment& part : word) {
      const auto pieces = texts(part, binding);
      if (!pieces) {
        absent = true;
        break;
      }
      for (std::size_t i = 0; i < pieces->size(); ++i) joined += (i > 0 ? "," : "") + (*pieces)[i];
    }
    if (!absent) line.push_back(joined);
  }
  return line;
}

std::map<std::string, std::string> expand_files(const Binding& binding) {
  return expand_texts(binding.step->files, binding);
}

std::map<std::string, std::string> expand_environment(const Binding& binding) {
  return expand_texts(binding.step->environment, binding);
}

Json key_components(const Binding& binding, const std::map<std::string, std::string>& binaries) {
  const Step& step = *binding.step;
  std::set<std::string> parameters;
  collect(step.command, Kind::Parameter, parameters);
  if (step.service) collect(step.service->command, Kind::Parameter, parameters);
  for (const auto& [name, word] : step.environment) collect({word}, Kind::Parameter, parameters);
  for (const auto& [name, word] : step.files) collect({word}, Kind::Parameter, parameters);

  Json components = {{"format", 1}, {"command", templates(step.command)}};
  if (step.service) components["service"] = templates(step.service->command);
  components["parameters"] = Json::object();
  for (const std::string& name : parameters)
    components["parameters"][name] = binding.parameters.at(name);
  if (binding.item) components["item"] = *binding.item;
  components["inputs"] = Json::object();
  for (const auto& [name, input] : binding.inputs)
    components["inputs"][name] = input_component(input);
  components["outputs"] = Json::object();
  for (const OutputPort& port : step.outputs)
    components["outputs"][port.name] = {{"type", type_name(port.type)},
                                        {"path", port.from_stdout ? "" : port.path},
                                        {"field", port.field}};
  components["environment"] = Json::object();
  for (const auto& [name, word] : step.environment)
    components["environment"][name] = to_string(word);
  for (const auto& [name, word] : step.files) components["files"][name] = to_string(word);
  if (!step.image.empty()) components["image"] = step.image;
  components["binaries"] = binaries;
  return components;
}

std::string key_of(const Json& components) { return sha256(components.dump()); }

std::vector<std::string> differences(const Json& now, const Json& before) {
  std::vector<std::string> found;
  for (const auto& [group, what] : {std::pair{"parameters", "the parameter"},
                                    {"inputs", "the input"},
                                    {"binaries", "the program"},
                                    {"environment", "the variable"},
                                    {"outputs", "the output"},
                                    {"files", "the file"}}) {
    const Json none = Json::object();
    compare_group(what, now.value(group, none), before.value(group, none), found);
  }
  for (const auto& [field, what] : {std::pair{"command", "the command"},
                                    {"service", "the service"},
                                    {"item", "the item"},
                                    {"image", "the image"},
                                    {"run", "the run (the step is never cached)"},
                                    {"format", "the form of keys"}}) {
    const Json a = now.value(field, Json()), b = before.value(field, Json());
    if (a != b) found.push_back(std::string(what) + " is " + shown(a) + ", was " + shown(b));
  }
  return found;
}

}  // namespace jetcal::pipeline
