// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/container_command.h"

#include <algorithm>
#include <cmath>

namespace jetcal::pipeline {
namespace {

using Kind = Fragment::Kind;

std::string work_path(const OutputPort& port) {
  return std::string(kContainerWork) + "/" + port.path;
}

// Outputs that the command does not write where the cluster looks.
bool must_be_moved(const OutputPort& port) {
  return port.path_given || port.from_stdout || !port.field.empty();
}

// What placeholders of one kind name in all that a step says.
std::set<std::string> used(const Step& step, Kind kind) {
  std::set<std::string> names;
  const auto take = [&](const Fragment& part) {
    if (part.kind == kind) names.insert(part.text);
  };
  const auto look = [&](const Word& word) { std::for_each(word.begin(), word.end(), take); };
  std::for_each(step.command.begin(), step.command.end(), look);
  if (step.service) std::for_each(step.service->command.begin(), step.service->command.end(), look);
  for (const auto& [name, word] : step.environment) look(word);
  for (const auto& [name, word] : step.files) look(word);
  if (step.condition) for_each_reference(*step.condition, take);
  return names;
}

// As `jetcal pipeline exec --output` reads it: PATH, PATH#FIELD, -, -#FIELD, -#FIELD/PATH.
std::string moved_output(const OutputPort& port) {
  std::string from = port.from_stdout ? "-" : port.path;
  if (!port.field.empty()) from += "#" + port.field;
  if (!port.field.empty() && is_artifact(port.type)) from += "/" + port.path;
  return from;
}

// Text of the file is not to be taken for the placeholder that exec replaces.
void check_text(const Step& step, const std::string& text, const Placeholders& names) {
  for (const std::string& input : names.gathering) {
    if (text.find(gathered_word(input)) != std::string::npos)
      fail(ErrorCode::InvalidArgument, "the step '", step.name, "' has the text '",
           gathered_word(input), "', which on a cluster stands for the artefacts that it gathers");
  }
}

}  // namespace

std::string gathered_word(const std::string& input) { return "${inputs." + input + "}"; }

std::set<std::string> gathering_inputs(const Pipeline& pipeline, const Step& step) {
  std::set<std::string> names;
  for (const InputPort& port : step.inputs) {
    if (port.source.kind == Source::Kind::Step && is_artifact(port.type) &&
        gathers(pipeline, step, *pipeline.find_step(port.source.step)))
      names.insert(port.name);
  }
  return names;
}

std::string container_word(const Step& step, const Word& word, const Placeholders& names) {
  std::string text;
  for (const Fragment& part : word) {
    switch (part.kind) {
      case Kind::Text:
        check_text(step, part.text, names);
        text += part.text;
        break;
      case Kind::Parameter:
        text += names.parameter(part.text);
        break;
      case Kind::Input:
        text += names.gathering.count(part.text) != 0 ? gathered_word(part.text)
                                                      : names.input(*step.find_input(part.text));
        break;
      case Kind::Output: {
        const OutputPort& port = *step.find_output(part.text);
        text += must_be_moved(port) ? work_path(port) : names.output(port);
        break;
      }
      case Kind::Item:
        text += names.item(part.text);
        break;
      case Kind::Work:
        text += kContainerWork;
        break;
      case Kind::Resource:
        if (part.text == "memory") {
          text += std::to_string(step.resources.memory);
        } else if (part.text == "gpus") {
          text += std::to_string(step.resources.gpus);
        } else {
          text += std::to_string(
              std::max<std::int64_t>(1, static_cast<std::int64_t>(step.resources.cores)));
        }
        break;
      case Kind::Service:
        text += (part.text == "url" ? "http://127.0.0.1:" : "") + std::to_string(kContainerPort);
        break;
    }
  }
  return text;
}

std::vector<std::string> container_command(const Step& step, const Placeholders& names) {
  std::vector<std::string> line;
  const bool moves = std::any_of(step.outputs.begin(), step.outputs.end(), must_be_moved);
  const auto uses_work = [](const Word& word) {
    return std::any_of(word.begin(), word.end(),
                       [](const Fragment& part) { return part.kind == Kind::Work; });
  };
  const bool works = std::any_of(step.command.begin(), step.command.end(), uses_work);
  if (moves || works || step.service || !step.files.empty() || !names.gathering.empty()) {
    line = {"jetcal", "pipeline", "exec", "--work", kContainerWork};
    for (const std::string& input : names.gathering)
      line.insert(line.end(), {"--gathered", std::string(input).append("=").append(
                                                 names.gathered(*step.find_input(input)))});
    for (const OutputPort& port : step.outputs) {
      if (!must_be_moved(port)) continue;
      line.insert(line.end(), {"--output", moved_output(port) + "=" + names.output(port)});
    }
    for (const auto& [name, word] : step.files)
      line.insert(line.end(), {"--file", name + "=" + container_word(step, word, names)});
    if (step.service) {
      line.insert(line.end(), {"--ready", std::to_string(kContainerPort) + step.service->ready});
      for (const Word& word : step.service->command)
        line.insert(line.end(), {"--service", container_word(step, word, names)});
    }
    line.push_back("--");
  }
  for (const Word& word : step.command) line.push_back(container_word(step, word, names));
  return line;
}

std::set<std::string> used_item_fields(const Step& step) { return used(step, Kind::Item); }

std::vector<std::string> used_parameters(const Pipeline& pipeline, const Step& step) {
  const std::set<std::string> found = used(step, Kind::Parameter);
  std::vector<std::string> names;
  for (const Parameter& parameter : pipeline.parameters) {
    if (found.count(parameter.name) != 0) names.push_back(parameter.name);
  }
  return names;
}

std::int64_t whole_seconds(double seconds) {
  return seconds > 0 ? std::max<std::int64_t>(1, std::llround(seconds)) : 0;
}

std::string memory_text(std::int64_t bytes) {
  for (const auto& [unit, size] :
       {std::pair{"Gi", 1LL << 30}, {"Mi", 1LL << 20}, {"Ki", 1LL << 10}}) {
    if (bytes % size == 0) return std::to_string(bytes / size) + unit;
  }
  return std::to_string(bytes);
}

std::string cores_text(double cores) {
  const auto thousandths = static_cast<std::int64_t>(std::lround(cores * 1000));
  return thousandths % 1000 == 0 ? std::to_string(thousandths / 1000)
                                 : std::to_string(thousandths) + "m";
}

}  // namespace jetcal::pipeline
