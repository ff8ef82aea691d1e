// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/run_state.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "jetcal/base/files.h"
#include "jetcal/pipeline/detail/remote_inputs.h"
#include "jetcal/store/object_store.h"

namespace jetcal::pipeline {

namespace fs = std::filesystem;

std::string_view state_name(Instance::State state) noexcept {
  static constexpr std::string_view kNames[] = {
      "waiting", "queued",  "running",   "finished", "cached",    "kept",   "skipped",
      "failed",  "blocked", "cancelled", "left-out", "would-run", "unknown"};
  return kNames[static_cast<std::size_t>(state)];
}

std::string instance_name(const std::string& step, int item) {
  return item < 0 ? step : step + "[" + std::to_string(item) + "]";
}

bool StepRun::settled() const {
  return expanded && std::all_of(instances.begin(), instances.end(),
                                 [](const Instance& one) { return one.settled(); });
}

bool StepRun::any(Instance::State state) const {
  return std::any_of(instances.begin(), instances.end(),
                     [state](const Instance& one) { return one.state == state; });
}

Program find_on_path(const std::vector<std::string>& command) {
  const std::string& name = command.at(0);
  if (name.find('/') != std::string::npos) {
    if (::access(name.c_str(), X_OK) != 0) fail(ErrorCode::NotFound, "there is no program ", name);
    return {fs::absolute(name).string(), {fs::absolute(name)}};
  }
  const char* path = std::getenv("PATH");
  std::stringstream folders(path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path candidate = fs::path(folder) / name;
    if (::access(candidate.c_str(), X_OK) == 0 && fs::is_regular_file(candidate))
      return {candidate.string(), {candidate}};
  }
  fail(ErrorCode::NotFound, "there is no program '", name, "' on the PATH");
}

std::map<std::string, Json> complete_parameters(const Pipeline& pipeline,
                                                const std::map<std::string, Json>& given) {
  std::vector<std::string> names;
  for (const Parameter& parameter : pipeline.parameters) names.push_back(parameter.name);
  for (const auto& [name, value] : given) {
    const Parameter* parameter = pipeline.find_parameter(name);
    if (parameter == nullptr) {
      const std::string near = nearest(name, names);
      fail(ErrorCode::InvalidArgument, "the pipeline ", pipeline.name, " has no parameter '", name,
           "'", near.empty() ? "" : "; did you mean '" + near + "'?");
    }
    check_value(*parameter, value);
  }
  std::map<std::string, Json> all;
  for (const Parameter& parameter : pipeline.parameters) {
    const auto found = given.find(parameter.name);
    if (found == given.end() && !parameter.fallback)
      fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' (",
           type_name(parameter.type), ") has no default; give it with --set ", parameter.name,
           "=VALUE");
    all[parameter.name] = found == given.end() ? *parameter.fallback : found->second;
  }
  return all;
}

RunState::RunState(const Pipeline& pipeline, const RunOptions& options, Store& store)
    : pipeline_(pipeline),
      options_(options),
      store_(store),
      hashes_(store.root() / "hashes.txt"),
      parameters_(complete_parameters(pipeline, options.parameters)) {
  for (const auto& entry : options.inputs) {
    if (pipeline.find_external(entry.first) == nullptr)
      fail(ErrorCode::InvalidArgument, "the pipeline ", pipeline.name, " has no input '",
           entry.first, "'");
  }
  for (const Step* step : in_order(pipeline)) steps_.push_back({step, false, {}});
}

StepRun& RunState::find(const std::string& step) {
  for (StepRun& run : steps_) {
    if (run.step->name == step) return run;
  }
  fail(ErrorCode::InvalidArgument, "the pipeline ", pipeline_.name, " has no step '", step, "'");
}

void RunState::expand(StepRun& run) {
  run.expanded = true;
  run.instances.clear();
  const auto add = [&run](int item, std::optional<Json> value) {
    Instance instance;
    instance.item = item;
    instance.item_value = std::move(value);
    run.instances.push_back(std::move(instance));
  };
  if (!run.step->fan_out) {
    add(-1, std::nullopt);
    return;
  }
  const FanOut& fan = *run.step->fan_out;
  std::vector<Json> items = fan.items;
  if (!fan.step.empty()) {
    for (const Instance& one : find(fan.step).instances) add(one.item, one.item_value);
    return;
  }
  if (fan.source && fan.source->kind == Source::Kind::Parameter) {
    for (const Json& item : parameters_.at(fan.source->name)) items.push_back(item);
  } else if (fan.source && fan.source->kind == Source::Kind::Step) {
    const Instance& producer = find(fan.source->step).instances.at(0);
    if (!producer.record) return;  // skipped: no items
    for (const Json& item : producer.record->outputs.at(fan.source->name).value)
      items.push_back(item);
  }
  for (std::size_t i = 0; i < items.size(); ++i) add(static_cast<int>(i), items[i]);
}

const BoundInput& RunState::external(const std::string& name) {
  const auto known = externals_.find(name);
  if (known != externals_.end()) return known->second;
  const ExternalInput& input = *pipeline_.find_external(name);
  const auto given = options_.inputs.find(name);
  std::vector<std::string> patterns;
  if (given != options_.inputs.end()) {
    patterns = given->second;
  } else {
    for (const std::string& path : input.paths) {
      patterns.push_back(store::is_remote(path) ? path
                                                : (fs::path(pipeline_.folder) / path).string());
    }
  }
  if (patterns.empty())
    fail(ErrorCode::InvalidArgument, "the input '", name, "' (", type_name(input.type),
         ") has no default; give it with --input ", name, "=PATH");
  BoundInput bound;
  bound.type = input.type;
  for (const std::string& pattern : patterns) {
    if (store::is_remote(pattern)) {
      for (BoundArtifact& artifact : fetch_inputs(pattern, options_, store_, hashes_))
        bound.artifacts.push_back(std::move(artifact));
      continue;
    }
    for (const fs::path& path : glob_files(pattern)) {
      const fs::path whole = fs::absolute(path).lexically_normal();
      bound.artifacts.push_back({whole, hash_content(whole, &hashes_).sha256, whole.string()});
    }
  }
  bound.list = bound.artifacts.size() != 1;
  hashes_.save();
  return externals_.emplace(name, std::move(bound)).first->second;
}

BoundInput RunState::from_step(const StepRun& run, const Instance& instance,
                               const InputPort& port) {
  BoundInput bound;
  bound.type = port.type;
  const StepRun& producer = find(port.source.step);
  bound.list = gathers(pipeline_, *run.step, *producer.step);
  const bool follows = producer.step->fan_out && !bound.list;
  if (bound.list && !is_artifact(port.type)) bound.value = Json::array();
  for (const Instance& one : producer.instances) {
    if ((follows && one.item != instance.item) || !one.record) continue;
    const Output& output = one.record->outputs.at(port.source.name);
    if (is_artifact(output.type)) {
      bound.artifacts.push_back({store_.artifact_path(output), output.sha256,
                                 "step:" + one.record->key + ":" + port.source.name});
    } else if (bound.list) {
      bound.value.push_back(output.value);
    } else {
      bound.value = output.value;
    }
  }
  bound.absent =
      !bound.list && (is_artifact(port.type) ? bound.artifacts.empty() : bound.value.is_null());
  return bound;
}

BoundInput RunState::bind_input(const StepRun& run, const Instance& instance,
                                const InputPort& port) {
  BoundInput bound;
  bound.type = port.type;
  switch (port.source.kind) {
    case Source::Kind::Constant:
      bound.value = port.source.constant;
      if (is_artifact(bound.type)) bound.type = Type::String;
      return bound;
    case Source::Kind::Parameter:
      bound.value = parameters_.at(port.source.name);
      return bound;
    case Source::Kind::Item: {
      Binding item;
      item.step = run.step;
      item.item = instance.item_value;
      bound.value = value_of({Fragment::Kind::Item, port.source.name, false}, item);
      if (is_artifact(bound.type)) bound.type = Type::Struct;
      return bound;
    }
    case Source::Kind::External:
      return external(port.source.name);
    case Source::Kind::Step:
      return from_step(run, instance, port);
  }
  return bound;
}

std::map<std::string, std::string> RunState::hash_programs(Instance& instance, const Step& step) {
  std::map<std::string, std::string> hashes;
  instance.binding.port = 0;
  for (const std::vector<Word>* words :
       {&step.command, step.service ? &step.service->command : nullptr}) {
    if (words == nullptr) continue;
    const Program program = options_.find_program(pipeline::expand(*words, instance.binding));
    if (words == &step.command) instance.program = program.path;
    for (const fs::path& binary : program.binaries)
      hashes[binary.filename().string()] = hash_content(binary, &hashes_).sha256;
  }
  hashes_.save();
  return hashes;
}

void RunState::bind(StepRun& run, Instance& instance, const std::string& run_id) {
  const Step& step = *run.step;
  Binding& binding = instance.binding;
  binding.step = &step;
  binding.parameters = parameters_;
  binding.item = instance.item_value;
  for (const InputPort& port : step.inputs) {
    BoundInput bound = bind_input(run, instance, port);
    if (bound.absent && !port.optional) {
      instance.state = Instance::State::Skipped;
      instance.reason = "what makes its input '" + port.name + "' was skipped";
      return;
    }
    binding.inputs[port.name] = std::move(bound);
  }
  if (step.condition) {
    const bool wanted = evaluate(
        *step.condition, [&binding](const Fragment& part) { return value_of(part, binding); });
    if (!wanted) {
      instance.state = Instance::State::Skipped;
      instance.reason = "its condition does not hold: " + step.condition_text;
      return;
    }
  }
  binding.cores = std::min(step.resources.cores, options_.cores);
  binding.memory = step.resources.memory;
  binding.gpus = step.resources.gpus;
  instance.components = key_components(binding, hash_programs(instance, step));
  if (!step.cache) instance.components["run"] = run_id;
  instance.key = key_of(instance.components);
  binding.work = store_.work_folder(instance.key);
}

const StepRecord* RunState::last_record(const Step& step, const Instance& instance) {
  const auto name_of = [](const std::string& name, const Json& item) {
    return name + "\n" + item.dump();
  };
  if (!last_) {
    last_.emplace();
    for (StepRecord& record : store_.records()) {
      if (record.pipeline != pipeline_.name) continue;
      const std::string name = name_of(record.step, record.components.value("item", Json()));
      const auto known = last_->find(name);
      if (known == last_->end() || known->second.finished < record.finished)
        (*last_)[name] = std::move(record);
    }
  }
  const auto found = last_->find(name_of(step.name, instance.item_value.value_or(Json())));
  return found == last_->end() ? nullptr : &found->second;
}

}  // namespace jetcal::pipeline
