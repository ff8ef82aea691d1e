// SPDX-License-Identifier: Apache-2.0
// What a run knows: values, files from outside, and how far each step is.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "jetcal/pipeline/binding.h"
#include "jetcal/pipeline/runner.h"
#include "jetcal/pipeline/warden.h"

namespace jetcal::pipeline {

/// How far one step, or one item of it, is.
struct Instance {
  enum class State {
    Waiting,  ///< For steps that it needs.
    Queued,   ///< For cores, memory or the end of a back-off.
    Running,
    Finished,
    Cached,
    Kept,     ///< Taken as it was last (--from).
    Skipped,  ///< Its condition does not hold, or an input's maker was skipped.
    Failed,
    Blocked,  ///< Something it needs failed.
    Cancelled,
    LeftOut,   ///< Behind --until.
    WouldRun,  ///< Dry run.
    Unknown,   ///< Dry run: depends on what a step that would run gives.
  };
  int item = -1;
  std::optional<Json> item_value;
  State state = State::Waiting;
  std::string reason, log, started;
  std::vector<std::string> why;
  Json components;
  std::string key;
  Binding binding;
  std::map<std::string, std::string> origins;
  std::optional<StepRecord> record;
  std::string program;
  int attempts = 0;
  double seconds = 0;
  std::chrono::steady_clock::time_point not_before;
  Warden warden;
  double cores = 0;
  std::int64_t memory = 0, gpus = 0;

  bool settled() const { return state > State::Running; }
  bool has_outputs() const {
    return state == State::Finished || state == State::Cached || state == State::Kept;
  }
};

std::string_view state_name(Instance::State state) noexcept;

/// One step with its items; one instance without number where it is not fanned out.
struct StepRun {
  const Step* step = nullptr;
  bool expanded = false;  ///< Its items are known.
  std::vector<Instance> instances;

  bool settled() const;
  bool any(Instance::State state) const;
};

/// The pipeline with the values of a run.
class RunState {
 public:
  RunState(const Pipeline& pipeline, const RunOptions& options, Store& store);

  std::vector<StepRun>& steps() { return steps_; }
  StepRun& find(const std::string& step);
  const std::map<std::string, Json>& parameters() const { return parameters_; }

  /// Items of a step whose needs are settled: waiting instances, at least one.
  void expand(StepRun& run);
  /// Evaluates the condition and gathers inputs; sets Skipped where they say so. Then computes the
  /// key. `run_id` goes into the key of steps that are never cached.
  void bind(StepRun& run, Instance& instance, const std::string& run_id);
  /// The newest record of this step of this pipeline and item, or nullptr.
  const StepRecord* last_record(const Step& step, const Instance& instance);
  /// Paths and hashes of the files from outside, hashed once.
  const BoundInput& external(const std::string& name);
  void save_hashes() { hashes_.save(); }

 private:
  BoundInput bind_input(const StepRun& run, const Instance& instance, const InputPort& port);
  BoundInput from_step(const StepRun& run, const Instance& instance, const InputPort& port);
  std::map<std::string, std::string> hash_programs(Instance& instance, const Step& step);

  const Pipeline& pipeline_;
  const RunOptions& options_;
  Store& store_;
  HashCache hashes_;
  std::map<std::string, Json> parameters_;
  std::map<std::string, BoundInput> externals_;
  std::vector<StepRun> steps_;
  std::optional<std::map<std::string, StepRecord>> last_;
};

}  // namespace jetcal::pipeline
