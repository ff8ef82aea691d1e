// SPDX-License-Identifier: Apache-2.0
// jetcal pipeline list, status, why, compare, lineage, log: what runs left, as tables or JSON.
#include <cstdio>

#include "jetcal/base/files.h"
#include "jetcal/cli/model_origin.h"
#include "jetcal/cli/pipeline_parts.h"
#include "jetcal/pipeline/run_history.h"

namespace jetcal::cli {

using pipeline::Json;

namespace {

pipeline::Store open_store(const std::string& directory) {
  if (!std::filesystem::is_directory(std::filesystem::path(directory) / "runs"))
    fail(ErrorCode::NotFound, "there are no runs in ", directory, "; see --directory");
  return pipeline::Store(directory);
}

std::string text_of(const Json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// Hashes are long; twelve digits tell them apart for people.
std::string short_text(const Json& value) {
  const std::string text = text_of(value);
  const bool hash =
      text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  return hash ? text.substr(0, 12) : text;
}

// A model that was copied, converted or exported elsewhere is no artefact any more, but names the
// step that trained it.
Json find_lineage(const pipeline::Store& records, const std::string& what) {
  try {
    return pipeline::lineage(records, what);
  } catch (const Error& error) {
#ifdef JETCAL_HAS_MODEL_ORIGIN
    const bool exists = error.code() == ErrorCode::NotFound && std::filesystem::exists(what);
    const std::string key = exists ? step_key_of_model(what) : "";
    if (!key.empty()) {
      Json document = pipeline::lineage(records, key);
      document["named_by"] = "the metadata of the model";
      return document;
    }
#endif
    throw;
  }
}

const Json& event_of(const pipeline::RunSummary& run, const std::string& step) {
  if (run.steps.contains(step)) return run.steps[step];
  std::string names;
  for (const auto& [name, entry] : run.steps.items()) names += (names.empty() ? "" : ", ") + name;
  fail(ErrorCode::NotFound, "the run ", run.run, " has no step '", step, "'; it has ", names);
}

}  // namespace

int show_runs(const std::string& directory, const std::string& experiment, bool json) {
  const auto runs = pipeline::list_runs(open_store(directory), experiment);
  if (json) {
    Json list = Json::array();
    for (const auto& run : runs) list.push_back(to_json(run));
    print_json({{"runs", list}});
    return 0;
  }
  std::printf("%-24s %-12s %-10s %-25s %9s  %s\n", "run", "pipeline", "state", "created", "seconds",
              "experiment");
  for (const auto& run : runs) {
    std::printf("%-24s %-12s %-10s %-25s %9.1f  %s\n", run.run.c_str(), run.pipeline.c_str(),
                run.state.c_str(), run.created.c_str(), run.seconds, run.experiment.c_str());
    if (!run.message.empty()) std::printf("    %s\n", run.message.c_str());
  }
  return 0;
}

int show_status(const std::string& directory, const std::string& id, bool json) {
  const pipeline::RunSummary run = pipeline::find_run(open_store(directory), id);
  if (json) {
    print_json(to_json(run));
    return 0;
  }
  std::printf("%s (%s): %s, created %s\n", run.run.c_str(), run.pipeline.c_str(), run.state.c_str(),
              run.created.c_str());
  if (!run.message.empty()) std::printf("failed: %s\n", run.message.c_str());
  std::printf("\n%-20s %-10s %9s  %s\n", "step", "state", "seconds", "reason");
  for (const auto& [name, entry] : run.steps.items()) {
    std::string reason = entry.value("reason", "");
    for (const Json& why : entry.value("why", Json::array()))
      reason += (reason.empty() ? "" : "; ") + why.get<std::string>();
    std::printf("%-20s %-10s %9.1f  %s\n", name.c_str(), entry.value("state", "").c_str(),
                entry.value("seconds", 0.0), reason.c_str());
  }
  return 0;
}

int show_why(const std::string& directory, const std::string& id, const std::string& step,
             bool json) {
  const pipeline::RunSummary run = pipeline::find_run(open_store(directory), id);
  const Json& entry = event_of(run, step);
  if (json) {
    print_json({{"run", run.run},
                {"step", step},
                {"state", entry.value("state", "")},
                {"why", entry.value("why", Json::array())},
                {"reason", entry.value("reason", "")},
                {"made_by", entry.value("run", "")}});
    return 0;
  }
  const std::string state = entry.value("state", "");
  std::printf("%s of %s: %s\n", step.c_str(), run.run.c_str(), state.c_str());
  if (state == "cached")
    std::printf("  nothing that decides about it changed since the run %s\n",
                entry.value("run", "").c_str());
  for (const Json& why : entry.value("why", Json::array()))
    std::printf("  it ran because %s\n", why.get<std::string>().c_str());
  const std::string reason = entry.value("reason", "");
  if (!reason.empty()) std::printf("  %s\n", reason.c_str());
  return 0;
}

int show_comparison(const std::string& directory, const std::vector<std::string>& runs, bool json) {
  const Json document = pipeline::compare_runs(open_store(directory), runs);
  if (json) {
    print_json(document);
    return 0;
  }
  const auto row = [](const std::string& name, const Json& values) {
    std::printf("  %-28s", name.c_str());
    for (const Json& value : values) std::printf(" %-24s", short_text(value).c_str());
    std::printf("\n");
  };
  Json ids = Json::array();
  for (const Json& run : document["runs"]) ids.push_back(run["run"]);
  row("", ids);
  std::printf("parameters that differ\n");
  for (const auto& [name, values] : document["parameters"].items()) row(name, values);
  for (const auto& [name, step] : document["steps"].items()) {
    std::printf("%s: %s\n", name.c_str(), step["same"].get<bool>() ? "the same" : "not the same");
    row("state", step["state"]);
    for (const auto& [output, values] : step["outputs"].items()) row(output, values);
  }
  return 0;
}

int show_lineage(const std::string& directory, const std::string& store, const std::string& what,
                 bool json) {
  pipeline::Store records = store.empty() ? open_store(directory) : pipeline::Store(directory);
  if (!store.empty()) {
    records.use_remote(store);
    records.bring_records();
  }
  const Json document = find_lineage(records, what);
  if (json) {
    print_json(document);
    return 0;
  }
  if (document.contains("file")) std::printf("%s of ", document["file"].get<std::string>().c_str());
  if (document.contains("output"))
    std::printf("the output '%s' of\n", document["output"].get<std::string>().c_str());
  for (const Json& step : document["steps"]) {
    std::printf("%s (run %s, %s, jetcal %s)\n", text_of(step["step"]).c_str(),
                text_of(step["run"]).c_str(), text_of(step["finished"]).c_str(),
                text_of(step["jetcal"]).c_str());
    for (const auto& [name, value] : step["parameters"].items())
      std::printf("    %s = %s\n", name.c_str(), text_of(value).c_str());
    for (const auto& [name, origins] : step["inputs"].items()) {
      for (const Json& origin : origins)
        std::printf("    %s: %s\n", name.c_str(), short_text(origin["sha256"]).c_str());
    }
  }
  for (const Json& file : document["data"])
    std::printf("data: %s %s\n", short_text(file["sha256"]).c_str(), text_of(file["path"]).c_str());
  return 0;
}

int show_log(const std::string& directory, const std::string& id, const std::string& step) {
  const pipeline::Store store = open_store(directory);
  pipeline::RunSummary run = pipeline::find_run(store, id);
  const Json entry = event_of(run, step);
  std::string log = entry.value("log", "");
  if (log.empty() && !entry.value("run", "").empty())
    log = event_of(pipeline::find_run(store, entry.value("run", "")), step).value("log", "");
  if (log.empty()) fail(ErrorCode::NotFound, "the step '", step, "' of ", run.run, " left no log");
  std::fputs(read_file(log).c_str(), stdout);
  return 0;
}

}  // namespace jetcal::cli
