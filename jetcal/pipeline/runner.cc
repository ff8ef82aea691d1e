// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/runner.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "jetcal/base/files.h"
#include "jetcal/pipeline/detail/chosen_steps.h"
#include "jetcal/pipeline/detail/keep_outputs.h"
#include "jetcal/pipeline/detail/run_log.h"
#include "jetcal/pipeline/detail/run_state.h"
#include "jetcal/pipeline/detail/share_artifacts.h"
#include "jetcal/pipeline/detail/step_attempt.h"
#include "jetcal/pipeline/detail/step_result.h"

namespace jetcal::pipeline {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using State = Instance::State;

class Run {
 public:
  Run(const Pipeline& pipeline, const RunOptions& options)
      : pipeline_(pipeline),
        options_(options),
        store_(options.root),
        state_(pipeline, options, store_),
        chosen_(pipeline, options),
        log_(pipeline, options, store_) {
    if (!options_.store.empty()) store_.use_remote(options_.store, !options_.dry_run);
  }

  RunResult run() {
    start_ = Clock::now();
    log_.open(state_.parameters());
    while (!all_settled()) {
      if (!stopping_ && options_.should_stop()) stop_all();
      advance();
      start_queued();
      if (!all_settled()) wait_for_wardens();
    }
    return finish();
  }

 private:
  void settle(const StepRun& run, Instance& instance, State state, const std::string& reason = "") {
    instance.state = state;
    if (!reason.empty()) instance.reason = reason;
    if (instance.has_outputs()) log_.link_outputs(run, instance);
    log_.tell_step(run, instance, std::string(state_name(state)).c_str());
  }

  // ---- which steps can go on ------------------------------------------------------------------

  bool all_settled() {
    auto& steps = state_.steps();
    return std::all_of(steps.begin(), steps.end(),
                       [](const StepRun& one) { return one.settled(); });
  }

  void settle_whole(StepRun& run, State state, const std::string& reason) {
    if (!run.expanded) {
      run.expanded = true;
      run.instances.emplace_back();
    }
    for (Instance& instance : run.instances) {
      if (!instance.settled()) settle(run, instance, state, reason);
    }
  }

  // Steps come in order, so one pass sees everything that became possible.
  void advance() {
    for (StepRun& run : state_.steps()) {
      if (run.settled() || run.expanded) continue;
      if (chosen_.left_out(*run.step)) {
        settle_whole(run, State::LeftOut, "it comes after --until " + options_.until);
        continue;
      }
      if (stopping_) {
        settle_whole(run, State::Cancelled, "the run was stopped");
        continue;
      }
      look_at(run);
    }
  }

  void look_at(StepRun& run) {
    bool unknown = false;
    for (const std::string& name : needs(pipeline_, *run.step)) {
      const StepRun& needed = state_.find(name);
      if (!needed.settled()) return;
      for (const State bad : {State::Failed, State::Blocked, State::Cancelled}) {
        if (!needed.any(bad)) continue;
        settle_whole(run, bad == State::Cancelled ? State::Cancelled : State::Blocked,
                     "the step '" + name + "' it needs " +
                         (bad == State::Failed ? "failed" : "was not run"));
        return;
      }
      unknown = unknown || needed.any(State::WouldRun) || needed.any(State::Unknown);
    }
    if (unknown) {
      settle_whole(run, State::Unknown, "runs unless the steps before it give what they gave last");
      return;
    }
    state_.expand(run);
    for (Instance& instance : run.instances) decide(run, instance);
  }

  // Binds an instance, and takes its result where there is one.
  void decide(StepRun& run, Instance& instance) {
    const Step& step = *run.step;
    const bool forced = chosen_.forced(step);
    try {
      state_.bind(run, instance, log_.id());
      const bool skipped = instance.state == State::Skipped;
      if (!skipped && (!forced || chosen_.kept(step))) instance.record = store_.find(instance.key);
    } catch (const Error& error) {
      const bool stopped = error.code() == ErrorCode::Cancelled;
      settle(run, instance, stopped ? State::Cancelled : State::Failed, error.what());
      return;
    }
    if (instance.state == State::Skipped) {
      log_.tell_step(run, instance, "skipped");
      return;
    }
    if (instance.record) {
      settle(run, instance, State::Cached);
      return;
    }
    const StepRecord* last = state_.last_record(step, instance);
    if (chosen_.kept(step)) {
      if (last == nullptr) {
        settle(run, instance, State::Failed, "it comes before --from, but was never run");
        return;
      }
      instance.record = *last;
      settle(run, instance, State::Kept, "taken as it was, because it comes before --from");
      return;
    }
    if (forced) {
      instance.why = {"it is forced"};
    } else if (last == nullptr) {
      instance.why = {"it never finished before"};
    } else {
      instance.why = differences(instance.components, last->components);
      if (instance.why.empty()) instance.why = {"its artefacts are gone"};
    }
    if (options_.dry_run) {
      settle(run, instance, State::WouldRun);
      return;
    }
    instance.state = State::Queued;
    instance.cores = std::min(step.resources.cores, options_.cores);
    instance.memory = step.resources.memory;
    instance.gpus = step.resources.gpus;
  }

  // ---- processes ------------------------------------------------------------------------------

  bool fits(const Instance& wanted) {
    double cores = wanted.cores;
    std::int64_t memory = wanted.memory, gpus = wanted.gpus;
    for (StepRun& run : state_.steps()) {
      for (const Instance& instance : run.instances) {
        if (instance.state != State::Running) continue;
        cores += instance.cores;
        memory += instance.memory;
        gpus += instance.gpus;
      }
    }
    constexpr double kRounding = 1e-9;
    return cores <= options_.cores + kRounding && gpus <= options_.gpus &&
           (options_.memory == 0 || memory <= options_.memory);
  }

  void start_queued() {
    if (stopping_) return;
    for (StepRun& run : state_.steps()) {
      for (Instance& instance : run.instances) {
        if (instance.state == State::Queued && instance.not_before <= Clock::now() &&
            fits(instance))
          start(run, instance);
      }
    }
  }

  void start(StepRun& run, Instance& instance) {
    ++instance.attempts;
    instance.started = time_now();
    instance.reason.clear();
    std::string name = run.step->name;
    if (instance.item >= 0) name += "." + std::to_string(instance.item);
    instance.log = (store_.run_folder(log_.id()) / "logs" /
                    (name + "." + std::to_string(instance.attempts) + ".log"))
                       .string();
    const Step& step = *run.step;
    const fs::path work = instance.binding.work;
    const bool forced = chosen_.forced(step);
    const bool fresh = !step.resume || (forced && instance.attempts == 1);
    const Clock::time_point begin = Clock::now();
    try {
      Attempt attempt = attempt_of(instance, options_);
      // Both run in the warden's process, under the lock of the step.
      const std::vector<Output> needed = artifacts_for(instance, state_.steps());
      attempt.is_done = [this, &step, &instance, work, forced, fresh, needed] {
        if (!forced && is_kept(store_, instance.key)) return true;
        store_.bring(needed, work.string() + ".inputs");
        if (fresh) fs::remove_all(work);
        fs::create_directories(work / "out");
        for (const OutputPort& port : step.outputs)
          fs::create_directories((work / port.path).parent_path());
        for (const auto& [file, text] : expand_files(instance.binding))
          write_file(work / file, text);
        return false;
      };
      attempt.keep = [this, &step, &instance, begin, attempt] {
        if (!attempt.standard_output.empty()) {
          std::ofstream(attempt.log, std::ios::app)
              << std::ifstream(attempt.standard_output).rdbuf();
        }
        StepRecord record = record_of(pipeline_.name, instance, log_.id());
        record.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        note_outputs(store_, step, record);
        keep_noted(store_, instance.key);
        store_.publish(instance.key);
      };
      instance.state = State::Running;
      log_.tell_step(run, instance, "running");
      instance.warden = start_attempt(attempt);
    } catch (const Error& error) {
      settle(run, instance, State::Failed, error.what());
    }
  }

  void wait_for_wardens() {
    std::vector<pollfd> polls;
    std::vector<std::pair<StepRun*, Instance*>> running;
    for (StepRun& run : state_.steps()) {
      for (Instance& instance : run.instances) {
        if (instance.state != State::Running) continue;
        polls.push_back({instance.warden.pipe, POLLIN, 0});
        running.emplace_back(&run, &instance);
      }
    }
    constexpr int kTick = 50;  // ms; signals and back-offs are looked at this often
    ::poll(polls.data(), polls.size(), kTick);
    for (std::size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].revents == 0) continue;
      char block[4096];
      Instance& instance = *running[i].second;
      const ssize_t got = ::read(instance.warden.pipe, block, sizeof block);
      if (got > 0) instance.warden.received.append(block, static_cast<std::size_t>(got));
      if (got == 0) end_attempt(*running[i].first, instance);
    }
  }

  void end_attempt(StepRun& run, Instance& instance) {
    ::close(instance.warden.pipe);
    int status = 0;
    ::waitpid(instance.warden.process, &status, 0);
    const Json document = Json::parse(instance.warden.received, nullptr, false);
    instance.warden = Warden{};
    if (WIFSIGNALED(status)) end_orphans(wardens());
    if (!document.is_object()) {
      after_failure(run, instance, "the process that watched it was killed");
      return;
    }
    instance.seconds = document.value("seconds", 0.0);
    const std::string state = document.value("state", "failed");
    if (state == "finished" || state == "already") {
      instance.record = store_.record(instance.key);
      if (!instance.record) {
        after_failure(run, instance, "its record is not in the store");
        return;
      }
      const bool ours = state == "finished" || instance.record->run == log_.id();
      settle(run, instance, ours ? State::Finished : State::Cached);
    } else if (state == "cancelled" || stopping_) {
      settle(run, instance, State::Cancelled, document.value("message", "stopped"));
    } else {
      after_failure(run, instance, document.value("message", "failed"));
    }
  }

  std::vector<pid_t> wardens() {
    std::vector<pid_t> all;
    for (StepRun& run : state_.steps()) {
      for (const Instance& instance : run.instances) {
        if (instance.warden.process > 0) all.push_back(instance.warden.process);
      }
    }
    return all;
  }

  void after_failure(StepRun& run, Instance& instance, const std::string& reason) {
    const Retries& retries = run.step->retries;
    if (instance.attempts > retries.limit || stopping_) {
      settle(run, instance, stopping_ ? State::Cancelled : State::Failed, reason);
      return;
    }
    const double delay = std::min(retries.max_delay,
                                  retries.delay * std::pow(retries.factor, instance.attempts - 1));
    instance.state = State::Queued;
    instance.reason = reason;
    instance.not_before = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                             std::chrono::duration<double>(delay));
    log_.tell_step(run, instance, "retry");
  }

  void stop_all() {
    stopping_ = true;
    for (StepRun& run : state_.steps()) {
      for (Instance& instance : run.instances) {
        if (instance.state == State::Running) ::kill(instance.warden.process, SIGTERM);
        if (instance.state == State::Queued)
          settle(run, instance, State::Cancelled, "the run was stopped");
      }
    }
  }

  // ---- the end --------------------------------------------------------------------------------

  // People look at results and services run on their inputs: these are fetched, others are not.
  void bring_results() {
    if (!store_.has_remote() || options_.dry_run || stopping_) return;
    for (StepRun& run : state_.steps()) {
      for (Instance& instance : run.instances) {
        if (!instance.has_outputs()) continue;
        try {
          store_.bring(results_of(pipeline_, run, instance, state_.steps()),
                       store_.run_folder(log_.id()) / "fetched");
          log_.link_outputs(run, instance);
        } catch (const Error& error) {
          settle(run, instance, State::Failed, error.what());
        }
      }
    }
  }

  RunResult finish() {
    bring_results();
    RunResult result;
    result.run = log_.id();
    result.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    for (StepRun& run : state_.steps()) {
      for (const Instance& instance : run.instances) {
        result.steps.push_back(result_of(run, instance, store_, options_));
      }
    }
    result.state = "finished";
    if (result.count("failed") + result.count("blocked") > 0) result.state = "failed";
    if (stopping_) result.state = "cancelled";
    if (options_.dry_run) result.state = "planned";
    state_.save_hashes();
    log_.tell({{"event", "ended"},
               {"run", log_.id()},
               {"state", result.state},
               {"seconds", result.seconds}});
    return result;
  }

  const Pipeline& pipeline_;
  const RunOptions& options_;
  Store store_;
  RunState state_;
  const ChosenSteps chosen_;
  RunLog log_;
  Clock::time_point start_;
  bool stopping_ = false;
};

}  // namespace

RunResult run_pipeline(const Pipeline& pipeline, const RunOptions& options) {
  return Run(pipeline, options).run();
}

}  // namespace jetcal::pipeline
