// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/run_log.h"

#include <unistd.h>

#include "jetcal/base/version.h"

namespace jetcal::pipeline {

namespace fs = std::filesystem;

void RunLog::open(const std::map<std::string, Json>& parameters) {
  if (options_.dry_run) return;
  const bool again = !options_.resume.empty();
  id_ = again ? options_.resume : new_run_id(pipeline_, parameters, store_);
  const fs::path folder = store_.run_folder(id_);
  if (again && !fs::exists(folder / "run.json"))
    fail(ErrorCode::NotFound, "there is no run ", id_, " in ", store_.root().string());
  lock_.emplace(folder / "lock");
  fs::create_directories(folder / "logs");
  if (!again) write_request(parameters);
  journal_.emplace(folder / "journal.jsonl");
  tell({{"event", again ? "resumed" : "started"}, {"run", id_}, {"process", ::getpid()}});
}

void RunLog::write_request(const std::map<std::string, Json>& parameters) const {
  Json inputs = Json::object();
  for (const auto& [name, paths] : options_.inputs) inputs[name] = paths;
  const Json request = {{"run", id_},
                        {"pipeline", pipeline_.name},
                        {"source", pipeline_.source},
                        {"folder", pipeline_.folder},
                        {"experiment", options_.experiment},
                        {"store", options_.store},
                        {"created", time_now()},
                        {"jetcal", {{"version", version()}, {"commit", commit()}}},
                        {"parameters", parameters},
                        {"inputs", inputs}};
  write_durably(store_.run_folder(id_) / "pipeline.yaml", options_.text);
  write_durably(store_.run_folder(id_) / "run.json", request.dump(1) + "\n");
}

void RunLog::tell(const Json& entry) {
  if (journal_) journal_->add(entry);
  options_.on_event(entry);
}

void RunLog::tell_step(const StepRun& run, const Instance& instance, const char* state) {
  Json entry = {{"event", "step"},
                {"step", run.step->name},
                {"state", state},
                {"key", instance.key},
                {"attempt", instance.attempts}};
  if (instance.item >= 0) entry["item"] = instance.item;
  if (!instance.reason.empty()) entry["reason"] = instance.reason;
  if (!instance.why.empty()) entry["why"] = instance.why;
  if (!instance.log.empty()) entry["log"] = instance.log;
  if (instance.seconds > 0) entry["seconds"] = instance.seconds;
  if (instance.record) {
    entry["run"] = instance.record->run;
    for (const auto& [name, output] : instance.record->outputs)
      entry["outputs"][name] = is_artifact(output.type) ? Json(output.sha256) : output.value;
  }
  tell(entry);
}

void RunLog::link_outputs(const StepRun& run, const Instance& instance) const {
  if (id_.empty()) return;
  const fs::path folder =
      store_.run_folder(id_) / "artifacts" / instance_name(run.step->name, instance.item);
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  for (const auto& [name, output] : instance.record->outputs) {
    if (!is_artifact(output.type)) continue;
    const fs::path target = store_.artifact_path(output);
    fs::remove(folder / name, ignored);
    if (fs::exists(target)) fs::create_symlink(target, folder / name, ignored);
  }
}

}  // namespace jetcal::pipeline
