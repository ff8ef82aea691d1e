// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/executor.h"

#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/hpo/detail/running_trial.h"

namespace jetcal::hpo {

namespace fs = std::filesystem;
using detail::EndReason;
using detail::RunningTrial;

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kTick = std::chrono::milliseconds(20);
constexpr auto kHeartbeat = std::chrono::seconds(5);
// Another tuner's trials are looked at so often while there is nothing to do.
constexpr auto kIdle = std::chrono::milliseconds(300);

// Makes sleeping end when a child does.
void wake_on_child() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGCHLD, &action, nullptr);
}

void doze(std::chrono::nanoseconds time) {
  timespec rest{0, static_cast<long>(time.count())};
  ::nanosleep(&rest, nullptr);
}

class Executor {
 public:
  Executor(StudyStore& store, Algorithm& algorithm, Algorithm* early_stopping,
           const TrialProgram& program, const ExecutorOptions& options, const ExecutorHooks& hooks)
      : store_(store),
        algorithm_(algorithm),
        early_stopping_(early_stopping),
        program_(program),
        options_(options),
        hooks_(hooks),
        share_(store.lock_path(), options.cores, options.gpus, options.gpu_ids) {}

  ExecutorResult run() {
    wake_on_child();
    store_.join();
    while (!(done_ && running_.empty())) {
      if (!result_.cut_off && hooks_.should_stop && hooks_.should_stop()) cut_off();
      if (!done_) fill();
      const bool settled = watch();
      tell_alive();
      if (settled) continue;
      doze(running_.empty() && !done_ ? std::chrono::nanoseconds(kIdle) : kTick);
    }
    store_.leave();
    return result_;
  }

 private:
  void cut_off() {
    result_.cut_off = true;
    done_ = true;
    for (const auto& trial : running_) trial->end(EndReason::Shutdown);
  }

  // Starts trials until every place is taken.
  void fill() {
    if (Clock::now() < next_claim_) return;
    while (std::ssize(running_) < options_.parallel) {
      std::optional<Share> share = share_.take();
      if (!share) return;
      const Claim claim = store_.claim(algorithm_);
      if (claim.kind != Claim::Kind::Run) {
        share_.give_back(*share);
        done_ = claim.kind == Claim::Kind::Done && running_.empty();
        next_claim_ = Clock::now() + kIdle;
        return;
      }
      start(claim.trial, *std::move(share));
    }
  }

  void start(std::int64_t number, const Share& share) {
    ++result_.started;
    try {
      running_.push_back(std::make_unique<RunningTrial>(store_, number, share, program_, options_));
      const bool again = store_.records()[static_cast<std::size_t>(number)].attempts > 1;
      tell(number, again ? "resumed" : "started", "");
    } catch (const Error& error) {
      share_.give_back(share);
      if (error.code() != ErrorCode::InvalidArgument) {
        store_.release(number, error.what());
        throw;
      }
      // These values make no program; others may.
      store_.fail(number, error.what(), std::nullopt);
      ++result_.failed;
      tell(number, "failed", error.what());
    }
  }

  // Returns whether an attempt ended.
  bool watch() {
    const std::vector<std::int64_t> memory = measure_memory();
    for (std::size_t i = 0; i < running_.size();) {
      RunningTrial& trial = *running_[i];
      if (trial.read_metrics()) judge(trial);
      if (!memory.empty()) trial.enforce_limits(memory[i]);
      if (!trial.advance()) {
        ++i;
        continue;
      }
      settle(trial);
      if (trial.reason() != EndReason::Lost) trial.forget_statuses();
      share_.give_back(trial.share());
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
      // A place is free: ask at once.
      next_claim_ = Clock::now();
      return true;
    }
    return false;
  }

  // Now and then, for all; empty at other times.
  std::vector<std::int64_t> measure_memory() {
    if (running_.empty() || (options_.memory_mb <= 0 && options_.minutes <= 0) ||
        Clock::now() < next_limits_) {
      return {};
    }
    next_limits_ = Clock::now() + std::chrono::milliseconds(250);
    std::vector<pid_t> keepers;
    for (const auto& trial : running_) keepers.push_back(trial->keeper());
    return options_.memory_mb > 0 ? memory_of_trees(keepers)
                                  : std::vector<std::int64_t>(keepers.size(), 0);
  }

  void judge(RunningTrial& trial) {
    tell(trial.number(), "report", "");
    if (trial.reason() != EndReason::None || trial.measuring()) return;
    if (!options_.program_knows_budget && trial.reached_budget()) {
      trial.end(EndReason::Paused);
      return;
    }
    const History& history = store_.refresh();
    const Trial& known = history.trials[static_cast<std::size_t>(trial.number())];
    if (algorithm_.should_stop(history, known) ||
        (early_stopping_ != nullptr && early_stopping_->should_stop(history, known))) {
      trial.end(EndReason::Stopped);
    }
  }

  // Writes what became of an attempt.
  void settle(RunningTrial& trial) {
    const std::int64_t number = trial.number();
    switch (trial.reason()) {
      case EndReason::Lost:
        return;
      case EndReason::Shutdown:
        if (trial.whole() && options_.program_tells_cut) break;  // it had just ended
        store_.release(number, "jetcal tune was stopped");
        tell(number, "released", "");
        return;
      case EndReason::Stopped:
        store_.stop(number, "its course did not look good");
        ++result_.stopped;
        tell(number, "stopped", "after " + std::to_string(trial.reached()));
        return;
      case EndReason::Paused:
        break;
      case EndReason::None:
      case EndReason::Time:
      case EndReason::Memory:
        if (trial.status() != 0 || trial.reason() != EndReason::None) {
          failed(trial, trial.failure());
          return;
        }
    }
    succeeded(trial);
  }

  void succeeded(RunningTrial& trial) {
    const std::int64_t number = trial.number();
    if (trial.reached_budget() && !trial.place().last) {
      store_.pause(number);
      ++result_.paused;
      tell(number, "paused", "at " + std::to_string(trial.reached()));
      return;
    }
    const Trial& known = store_.refresh().trials[static_cast<std::size_t>(number)];
    const std::vector<double> objectives =
        result_of(known, store_.definition().objectives, store_.definition().outcome);
    if (objectives.empty()) {
      failed(trial, "it ended without a finite value of " + missing_metric(known));
      return;
    }
    try {
      store_.complete(number, objectives);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::InvalidArgument) throw;
      failed(trial, error.what());
      return;
    }
    ++result_.complete;
    tell(number, "complete", "");
  }

  std::string missing_metric(const Trial& trial) const {
    const auto& objectives = store_.definition().objectives;
    for (std::size_t i = 0; i < objectives.size(); ++i) {
      const bool seen =
          std::any_of(trial.course.begin(), trial.course.end(),
                      [i](const Report& report) { return std::isfinite(report.objectives[i]); });
      if (!seen) return "'" + objectives[i].metric + "'";
    }
    return "an objective";
  }

  void failed(RunningTrial& trial, const std::string& reason) {
    const std::int64_t number = trial.number();
    store_.refresh();
    const std::int64_t before = store_.records()[static_cast<std::size_t>(number)].failures;
    std::optional<double> delay;
    const auto& hopeless = options_.hopeless_statuses;
    const bool can_help =
        trial.reason() != EndReason::None ||
        std::find(hopeless.begin(), hopeless.end(), trial.status()) == hopeless.end();
    if (can_help && before < options_.retries)
      delay = options_.retry_seconds * std::pow(2.0, static_cast<double>(before));
    store_.fail(number, reason, delay);
    (delay ? result_.retried : result_.failed) += 1;
    tell(number, delay ? "retry" : "failed", reason);
  }

  void tell_alive() {
    if (Clock::now() < next_heartbeat_) return;
    next_heartbeat_ = Clock::now() + kHeartbeat;
    store_.heartbeat();
  }

  void tell(std::int64_t number, const std::string& what, const std::string& detail) {
    if (!hooks_.on_change) return;
    store_.refresh();
    hooks_.on_change(store_, number, what, detail);
  }

  StudyStore& store_;
  Algorithm& algorithm_;
  Algorithm* early_stopping_;
  const TrialProgram& program_;
  const ExecutorOptions& options_;
  const ExecutorHooks& hooks_;
  MachineShare share_;
  std::vector<std::unique_ptr<RunningTrial>> running_;
  ExecutorResult result_;
  bool done_ = false;
  Clock::time_point next_claim_{}, next_limits_{};
  Clock::time_point next_heartbeat_ = Clock::now() + kHeartbeat;
};

}  // namespace

void validate(const ExecutorOptions& options) {
  const auto require = [](bool holds, const char* field, const char* range, double value) {
    if (!holds) fail(ErrorCode::InvalidArgument, field, " must be ", range, ", got ", value);
  };
  if (options.output.empty()) {
    fail(ErrorCode::InvalidArgument,
         "the folder for the results is not given: use --output or the field output");
  }
  require(options.parallel >= 1, "run.parallel", "at least 1", options.parallel);
  require(options.minutes >= 0, "run.minutes", "at least 0", options.minutes);
  require(options.memory_mb >= 0, "run.memory_mb", "at least 0", options.memory_mb);
  require(options.retries >= 0, "run.retries", "at least 0", options.retries);
  require(options.retry_seconds >= 0, "run.retry_seconds", "at least 0", options.retry_seconds);
  require(options.grace_seconds >= 0, "run.grace_seconds", "at least 0", options.grace_seconds);
}

ExecutorResult run_study(StudyStore& store, Algorithm& algorithm, Algorithm* early_stopping,
                         const TrialProgram& program, const ExecutorOptions& options,
                         const ExecutorHooks& hooks) {
  validate(options);
  return Executor(store, algorithm, early_stopping, program, options, hooks).run();
}

fs::path trial_folder(const fs::path& output, std::int64_t trial) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "%05lld", static_cast<long long>(trial));
  return output / "trials" / name.data();
}

std::vector<double> result_of(const Trial& trial, const std::vector<Objective>& objectives,
                              ReportChoice outcome) {
  std::vector<double> values;
  for (std::size_t i = 0; i < objectives.size(); ++i) {
    std::optional<double> value;
    for (const Report& report : trial.course) {
      const double now = report.objectives.at(i);
      if (!std::isfinite(now)) continue;
      const bool better = !value || (objectives[i].maximise ? now > *value : now < *value);
      if (outcome == ReportChoice::Last || better) value = now;
    }
    if (!value) return {};
    values.push_back(*value);
  }
  return values;
}

}  // namespace jetcal::hpo
