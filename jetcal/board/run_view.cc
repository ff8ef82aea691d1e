// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/run_view.h"

#include <cctype>

#include "jetcal/base/files.h"
#include "jetcal/board/log_tail.h"
#include "jetcal/pipeline/pipeline_file.h"

namespace jetcal::board {
namespace {

namespace fs = std::filesystem;

// Words as one line that a person could read in a shell.
std::string command_text(const std::vector<pipeline::Word>& words) {
  std::string text;
  for (const pipeline::Word& word : words) {
    const std::string one = pipeline::to_string(word);
    const bool plain =
        !one.empty() && one.find_first_of(" \t\n'\"\\;|&()<>*?#") == std::string::npos;
    text += text.empty() ? "" : " ";
    text += plain ? one : "'" + one + "'";
  }
  return text;
}

std::string source_text(const pipeline::Source& source) {
  using Kind = pipeline::Source::Kind;
  switch (source.kind) {
    case Kind::Constant:
      return source.constant.dump();
    case Kind::Parameter:
      return "parameters." + source.name;
    case Kind::External:
      return "inputs." + source.name;
    case Kind::Step:
      return source.step + "." + source.name;
    case Kind::Item:
      return source.name.empty() ? "item" : "item." + source.name;
  }
  return "";
}

Json step_json(const pipeline::Pipeline& graph, const pipeline::Step& step) {
  Json inputs = Json::array(), outputs = Json::array();
  for (const pipeline::InputPort& port : step.inputs)
    inputs.push_back(
        {{"name", port.name}, {"type", type_name(port.type)}, {"from", source_text(port.source)}});
  for (const pipeline::OutputPort& port : step.outputs)
    outputs.push_back({{"name", port.name}, {"type", type_name(port.type)}});
  return {{"name", step.name},
          {"description", step.description},
          {"role", step.role},
          {"needs", needs(graph, step)},
          {"command", command_text(step.command)},
          {"service", step.service ? command_text(step.service->command) : ""},
          {"condition", step.condition_text},
          {"fan_out", step.fan_out.has_value()},
          {"cores", step.resources.cores},
          {"memory", step.resources.memory},
          {"gpus", step.resources.gpus},
          {"retries", step.retries.limit},
          {"time_limit", step.time_limit},
          {"inputs", inputs},
          {"outputs", outputs}};
}

Json graph_json(const RunStory& story) {
  const std::string text = read_file(fs::path(story.summary.folder) / "pipeline.yaml");
  const pipeline::Pipeline graph = pipeline::parse_pipeline(
      text, story.document.value("source", "pipeline.yaml"), story.document.value("folder", "."));
  Json steps = Json::array(), parameters = Json::object();
  for (const pipeline::Step* step : in_order(graph)) steps.push_back(step_json(graph, *step));
  for (const pipeline::Parameter& one : graph.parameters) parameters[one.name] = one.description;
  return {{"description", graph.description}, {"parameters", parameters}, {"steps", steps}};
}

Json outputs_json(const StepStory& step, const FindArtifact& artifact) {
  Json list = Json::array();
  const Json outputs = step.entry.value("outputs", Json::object());
  for (const auto& [name, value] : outputs.items()) {
    Json one = {{"name", name}, {"value", value}};
    if (value.is_string() && value.get_ref<const std::string&>().size() == 64)
      one["shown"] = artifact(value.get<std::string>());
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace

Json run_line(const RunStory& story, const std::string& store) {
  const pipeline::RunSummary& run = story.summary;
  Json steps = Json::array();
  for (const StepStory& step : story.steps)
    steps.push_back({{"name", step.name}, {"state", step.state}});
  return {{"store", store},
          {"run", run.run},
          {"pipeline", run.pipeline},
          {"experiment", run.experiment},
          {"state", run.state},
          {"message", run.message},
          {"created", run.created},
          {"begun", story.begun},
          {"ended", story.ended},
          {"seconds", run.seconds},
          {"parameters", run.parameters},
          {"steps", steps}};
}

Json run_document(const RunStory& story, const std::string& store, const FindArtifact& artifact) {
  Json document = run_line(story, store);
  document["goes"] = story.goes;
  document["inputs"] = story.summary.inputs;
  document["folder"] = story.summary.folder;
  document["jetcal"] = story.document.value("jetcal", Json::object());
  document["resume"] = "jetcal pipeline run --resume " + story.summary.run + " --directory " +
                       fs::path(story.summary.folder).parent_path().parent_path().string();
  Json steps = Json::array();
  for (const StepStory& step : story.steps) {
    const Json& entry = step.entry;
    steps.push_back({{"name", step.name},
                     {"step", step.step},
                     {"item", step.item},
                     {"state", step.state},
                     {"started", step.started},
                     {"changed", step.changed},
                     {"seconds", entry.value("seconds", 0.0)},
                     {"attempt", entry.value("attempt", 0)},
                     {"reason", entry.value("reason", "")},
                     {"why", entry.value("why", Json::array())},
                     {"key", entry.value("key", "")},
                     {"made_by", entry.value("run", "")},
                     {"log", entry.contains("log")},
                     {"last_words", step.state == "failed" ? last_words(story, step.name) : ""},
                     {"outputs", outputs_json(step, artifact)}});
  }
  document["steps"] = std::move(steps);
  try {
    document["graph"] = graph_json(story);
  } catch (const Error& error) {
    document["graph_error"] = error.what();
  }
  return document;
}

std::string last_words(const RunStory& story, const std::string& step) {
  constexpr std::int64_t kMaxBytes = 2000;
  constexpr int kLines = 3;
  std::string text;
  try {
    text = read_log(log_of(story, step), std::nullopt, kMaxBytes).text;
  } catch (const Error&) {
    return "";  // it wrote none
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.pop_back();
  std::size_t begin = text.size();
  for (int line = 0; line < kLines && begin != std::string::npos && begin > 0; ++line)
    begin = text.rfind('\n', begin - 1);
  return begin == std::string::npos || begin == 0 ? text : text.substr(begin + 1);
}

fs::path log_of(const RunStory& story, const std::string& step) {
  const StepStory* found = story.find(step);
  if (found == nullptr)
    fail(ErrorCode::NotFound, "the run ", story.summary.run, " has no step '", step, "'");
  const std::string log = found->entry.value("log", "");
  const std::string name = fs::path(log).filename().string();
  if (name.empty() || name == "." || name == "..")
    fail(ErrorCode::NotFound, "the step '", step, "' wrote no log in this run");
  return fs::path(story.summary.folder) / "logs" / name;
}

}  // namespace jetcal::board
