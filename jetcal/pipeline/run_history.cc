// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/run_history.h"

#include <algorithm>
#include <set>

#include "jetcal/base/files.h"
#include "jetcal/pipeline/binding.h"
#include "jetcal/pipeline/detail/run_files.h"
#include "jetcal/pipeline/journal.h"

namespace jetcal::pipeline {
namespace {

namespace fs = std::filesystem;

std::string step_of(const Json& entry) {
  const std::string name = entry.value("step", "");
  return entry.contains("item") ? name + "[" + entry["item"].dump() + "]" : name;
}

RunSummary summarise(const fs::path& folder) {
  RunSummary run;
  run.folder = folder.string();
  run.run = folder.filename().string();
  run.steps = Json::object();
  const fs::path file = folder / "run.json";
  const Json document =
      fs::exists(file) ? Json::parse(read_file(file), nullptr, false) : Json::object();
  if (document.is_object()) {
    run.pipeline = document.value("pipeline", "");
    run.experiment = document.value("experiment", "");
    run.created = document.value("created", "");
    run.parameters = document.value("parameters", Json::object());
    run.inputs = document.value("inputs", Json::object());
  }
  for (const Json& entry : read_journal(folder / "journal.jsonl")) {
    const std::string event = entry.value("event", "");
    if (event == "started" || event == "resumed") {
      run.state.clear();
      run.message.clear();
    }
    if (event == "ended") {
      run.state = entry.value("state", "");
      run.seconds = entry.value("seconds", 0.0);
    }
    if (event != "step") continue;
    run.steps[step_of(entry)] = entry;
    if (entry.value("state", "") == "failed" && run.message.empty())
      run.message = step_of(entry) + ": " + entry.value("reason", "");
  }
  const bool alive = is_locked(folder / "lock");
  if (alive) run.state = "running";
  if (run.state.empty()) run.state = "cut";
  return run;
}

class LineageWalker {
 public:
  explicit LineageWalker(const Store& store) {
    for (StepRecord& record : store.records()) {
      const std::string key = record.key;
      records_.emplace(key, std::move(record));
    }
  }

  // Finds who made content of this hash: an artefact, else a file inside of one.
  Json find_hash(const std::string& hash) const {
    for (const auto& [key, record] : records_) {
      for (const auto& [name, output] : record.outputs) {
        if (is_artifact(output.type) && output.sha256 == hash) return made_by(record, name, "");
      }
    }
    for (const auto& [key, record] : records_) {
      for (const auto& [name, output] : record.outputs) {
        for (const FileHash& file : output.content.files) {
          if (file.sha256 == hash) return made_by(record, name, file.path);
        }
      }
    }
    return nullptr;
  }

  Json find_key(const std::string& key) const {
    const auto found = records_.find(key);
    return found == records_.end() ? Json() : made_by(found->second, "", "");
  }

  Json made_by(const StepRecord& record, const std::string& output, const std::string& file) const {
    Json document;
    if (!output.empty()) document["output"] = output;
    if (!file.empty()) document["file"] = file;
    Json steps = Json::array();
    std::set<std::string> seen;
    std::map<std::string, std::string> data;
    std::set<std::string> commits;
    walk(record, steps, seen, data, commits);
    document["steps"] = steps;
    document["data"] = Json::array();
    for (const auto& [path, hash] : data)
      document["data"].push_back({{"path", path}, {"sha256", hash}});
    document["commits"] = commits;
    return document;
  }

 private:
  void walk(const StepRecord& record, Json& steps, std::set<std::string>& seen,
            std::map<std::string, std::string>& data, std::set<std::string>& commits) const {
    if (!seen.insert(record.key).second) return;
    commits.insert(record.version + " (" + record.commit + ")");
    Json inputs = Json::object();
    std::vector<const StepRecord*> before;
    for (const auto& [name, origins] : record.origins.items()) {
      inputs[name] = origins;
      for (const Json& one : origins) {
        const std::string origin = one.at("origin");
        if (origin.rfind("step:", 0) != 0) {
          data[origin] = one.at("sha256");
          continue;
        }
        const auto found = records_.find(origin.substr(5, 64));
        if (found != records_.end()) before.push_back(&found->second);
      }
    }
    Json outputs = Json::object();
    for (const auto& [name, output] : record.outputs)
      outputs[name] = is_artifact(output.type) ? Json(output.sha256) : output.value;
    steps.push_back({{"step", record.step},
                     {"pipeline", record.pipeline},
                     {"run", record.run},
                     {"key", record.key},
                     {"finished", record.finished},
                     {"seconds", record.seconds},
                     {"jetcal", record.version + " (" + record.commit + ")"},
                     {"command", record.components.value("command", Json::array())},
                     {"parameters", record.components.value("parameters", Json::object())},
                     {"binaries", record.components.value("binaries", Json::object())},
                     {"inputs", inputs},
                     {"outputs", outputs}});
    for (const StepRecord* one : before) walk(*one, steps, seen, data, commits);
  }

  std::map<std::string, StepRecord> records_;
};

bool is_hash(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

std::vector<RunSummary> list_runs(const Store& store, const std::string& experiment) {
  std::vector<RunSummary> runs;
  for (const fs::directory_entry& entry : fs::directory_iterator(store.root() / "runs")) {
    if (!entry.is_directory()) continue;
    RunSummary run = summarise(entry.path());
    if (experiment.empty() || run.experiment == experiment) runs.push_back(std::move(run));
  }
  std::sort(runs.begin(), runs.end(), [](const RunSummary& a, const RunSummary& b) {
    return a.created != b.created ? a.created > b.created : a.run > b.run;
  });
  return runs;
}

RunSummary find_run(const Store& store, const std::string& id) {
  if (!id.empty() && id != "last" && id.find('/') == std::string::npos &&
      fs::is_directory(store.run_folder(id)))
    return summarise(store.run_folder(id));
  for (RunSummary& run : list_runs(store)) {
    const bool tail =
        id.size() == 6 && run.run.size() > 6 && run.run.compare(run.run.size() - 6, 6, id) == 0;
    if (id == "last" || tail) return std::move(run);
  }
  fail(ErrorCode::NotFound, "there is no run '", id, "' in ", store.root().string());
}

Json to_json(const RunSummary& run) {
  Json document = {{"run", run.run},
                   {"pipeline", run.pipeline},
                   {"experiment", run.experiment},
                   {"state", run.state},
                   {"created", run.created},
                   {"seconds", run.seconds},
                   {"parameters", run.parameters},
                   {"inputs", run.inputs},
                   {"steps", run.steps},
                   {"folder", run.folder}};
  if (!run.message.empty()) document["message"] = run.message;
  return document;
}

Json compare_runs(const Store& store, const std::vector<std::string>& ids) {
  std::vector<RunSummary> runs;
  runs.reserve(ids.size());
  for (const std::string& id : ids) runs.push_back(find_run(store, id));
  Json document = {
      {"runs", Json::array()}, {"parameters", Json::object()}, {"steps", Json::object()}};
  std::set<std::string> parameters;
  std::vector<std::string> steps;
  for (const RunSummary& run : runs) {
    document["runs"].push_back({{"run", run.run},
                                {"state", run.state},
                                {"created", run.created},
                                {"experiment", run.experiment}});
    for (const auto& [name, value] : run.parameters.items()) parameters.insert(name);
    for (const auto& [name, value] : run.steps.items()) {
      if (std::find(steps.begin(), steps.end(), name) == steps.end()) steps.push_back(name);
    }
  }
  const auto all_equal = [](const Json& values) {
    return std::all_of(values.begin(), values.end(),
                       [&values](const Json& one) { return one == values.front(); });
  };
  for (const std::string& name : parameters) {
    Json values = Json::array();
    for (const RunSummary& run : runs) values.push_back(run.parameters.value(name, Json()));
    if (!all_equal(values)) document["parameters"][name] = values;
  }
  for (const std::string& name : steps) {
    Json states = Json::array(), keys = Json::array(), outputs = Json::object();
    Json seconds = Json::array();
    for (const RunSummary& run : runs) {
      const Json entry = run.steps.value(name, Json::object());
      states.push_back(entry.value("state", Json()));
      keys.push_back(entry.value("key", Json()));
      seconds.push_back(entry.value("seconds", Json()));
      const Json made = entry.value("outputs", Json::object());
      for (const auto& [output, value] : made.items()) outputs[output] = Json::array();
    }
    for (auto& [output, values] : outputs.items()) {
      for (const RunSummary& run : runs)
        values.push_back(run.steps.value(name, Json::object())
                             .value("outputs", Json::object())
                             .value(output, Json()));
    }
    document["steps"][name] = {{"same", all_equal(keys)},
                               {"state", states},
                               {"key", keys},
                               {"seconds", seconds},
                               {"outputs", outputs}};
  }
  return document;
}

Json lineage(const Store& store, const std::string& what) {
  const LineageWalker walker(store);
  if (is_hash(what)) {
    Json found = walker.find_key(what);
    if (found.is_null()) found = walker.find_hash(what);
    if (!found.is_null()) return found;
  }
  if (fs::exists(what)) {
    Json found = walker.find_hash(hash_content(what).sha256);
    if (!found.is_null()) return found;
    fail(ErrorCode::NotFound, "no step in ", store.root().string(), " made what ", what, " holds");
  }
  const std::size_t first = what.find('/'), second = what.find('/', first + 1);
  if (first != std::string::npos && second != std::string::npos) {
    const RunSummary run = find_run(store, what.substr(0, first));
    const std::string step = what.substr(first + 1, second - first - 1);
    const std::string output = what.substr(second + 1);
    const Json entry = run.steps.value(step, Json::object());
    const auto record = store.find(entry.value("key", ""));
    if (!record || record->outputs.count(output) == 0)
      fail(ErrorCode::NotFound, "the run ", run.run, " has no output ", output, " of a step ",
           step);
    return walker.made_by(*record, output, "");
  }
  fail(ErrorCode::NotFound, "'", what,
       "' is no file, no SHA-256 of an artefact, no key of a step and no RUN/STEP/OUTPUT");
}

}  // namespace jetcal::pipeline
