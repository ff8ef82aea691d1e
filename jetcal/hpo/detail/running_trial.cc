// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/running_trial.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/hpo/command_template.h"
#include "jetcal/hpo/detail/tuner_locks.h"

namespace jetcal::hpo::detail {

namespace fs = std::filesystem;

static std::string shortest(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

// For people who want to run a trial by hand; nothing reads it, so it is not synced.
static void note_command(const fs::path& path, const ProcessSpec& spec) {
  std::ofstream file(path);
  for (const auto& [name, value] : spec.environment)
    file << name << '=' << shell_quoted(value) << ' ';
  const char* between = "";
  for (const std::string& argument : spec.arguments)
    file << std::exchange(between, " ") << shell_quoted(argument);
  file << '\n';
}

RunningTrial::RunningTrial(StudyStore& store, std::int64_t number, Share share,
                           const TrialProgram& program, const ExecutorOptions& options)
    : store_(store),
      options_(options),
      number_(number),
      share_(std::move(share)),
      start_(Clock::now()) {
  const auto index = static_cast<std::size_t>(number);
  const Trial& trial = store.history().trials.at(index);
  const TrialRecord& record = store.records().at(index);
  // Absolute: programs may change their folder.
  place_.folder = fs::absolute(trial_folder(options.output, number));
  place_.budget = trial.budget;
  place_.last = record.last;
  place_.attempt = record.attempts;
  failures_ = record.failures;
  place_.share = share_;
  for (const Report& report : trial.course) course_[report.resource] = report.objectives;
  if (!trial.course.empty()) reached_ = trial.course.back().resource;
  std::error_code error;
  fs::create_directories(place_.folder, error);
  if (error) {
    fail(ErrorCode::ResourceExhausted, "cannot make the folder ", place_.folder.string(), ": ",
         error.message());
  }
  steps_ = program(trial, place_);
  start_step();
}

void RunningTrial::start_step() {
  const TrialStep& step = steps_.at(step_);
  ProcessSpec spec;
  spec.arguments = step.arguments;
  spec.environment = step.environment;
  if (!share_.gpus.empty()) {
    std::string list;
    for (const std::string& gpu : share_.gpus) list += (list.empty() ? "" : ",") + gpu;
    spec.environment.emplace("CUDA_VISIBLE_DEVICES", list);
  }
  spec.output = place_.folder / (step.label + ".log");
  spec.errors = place_.folder / (step.label + "-errors.log");
  spec.cores = share_.cores;
  spec.lock_file = fs::absolute(store_.lock_path());
  spec.lock_byte = kTrialBytes + number_;
  metrics_.emplace(step.metrics.empty() ? spec.output : step.metrics, step.format);
  std::error_code none;
  std::uintmax_t log_size = fs::file_size(spec.output, none);
  if (none) log_size = 0;
  spec.status_file = status_file();
  spec.status_key = status_key();
  ended_before_ = has_ended(spec.status_key, &log_size);
  if (step.metrics.empty()) {
    // What an earlier attempt printed may be unread, when its tuner died; epochs it had finished
    // are not printed again by a program that goes on from its checkpoint.
    if (!ended_before_) take(metrics_->finish(), /*earlier=*/true);
    metrics_->skip_to(log_size);
  }
  lines_ = place_.budget > 0 && failures_ == 0 ? reached_ : 0;
  spec.status_key += " " + std::to_string(log_size);
  if (ended_before_) return;
  note_command(place_.folder / (step.label + ".command"), spec);
  process_ = TrialProcess::start(spec);
}

// The same for attempts that were cut off, another one after a failure and a promotion.
std::string RunningTrial::status_key() const {
  return std::to_string(failures_) + " " + std::to_string(place_.budget);
}

fs::path RunningTrial::status_file() const {
  return place_.folder / (steps_.at(step_).label + ".status");
}

bool RunningTrial::has_ended(const std::string& key, std::uintmax_t* log_size) const {
  std::ifstream file(status_file());
  std::string failures, budget;
  std::uintmax_t size = 0;
  if (!(file >> failures >> budget >> size) || failures + " " + budget != key) return false;
  *log_size = size;
  return true;
}

void RunningTrial::forget_statuses() const {
  std::error_code ignored;
  for (const TrialStep& step : steps_)
    fs::remove(place_.folder / (step.label + ".status"), ignored);
}

bool RunningTrial::take(const std::vector<Metrics>& lines, bool earlier) {
  bool reported = false;
  for (const Metrics& line : lines) reported = take_line(line, earlier) || reported;
  return reported;
}

Metrics RunningTrial::renamed(const Metrics& printed) const {
  const TrialStep& step = steps_.at(step_);
  if (step.names.empty()) return printed;
  Metrics line;
  for (const auto& [from, to] : step.names) {
    const auto found = printed.find(from);
    if (found != printed.end()) line[to] = found->second;
  }
  return line;
}

// Without a count of its own, a line belongs to the last count, or counts as one more.
std::int64_t RunningTrial::resource_of(const Metrics& line) {
  const auto counted = line.find(options_.resource);
  if (step_ > 0) return std::max<std::int64_t>(1, reached_);
  if (counted != line.end()) return count_;
  return count_ > 0 ? count_ : ++lines_;
}

bool RunningTrial::take_line(const Metrics& printed, bool earlier) {
  const Metrics line = renamed(printed);
  const auto counted = line.find(options_.resource);
  const bool counts = step_ == 0 && counted != line.end() && std::isfinite(counted->second);
  if (counts) count_ = static_cast<std::int64_t>(counted->second);
  if (line.empty() || (earlier && (!counts || step_ > 0))) return false;
  Report report;
  bool named = false, any = false;
  for (const Objective& objective : store_.definition().objectives) {
    const auto found = line.find(objective.metric);
    report.objectives.push_back(found == line.end() ? std::numeric_limits<double>::quiet_NaN()
                                                    : found->second);
    named = named || found != line.end();
    any = any || (found != line.end() && std::isfinite(found->second));
  }
  if (!any) {
    if (named || counts) reached_ = std::max(reached_, named ? resource_of(line) : count_);
    if (!store_.set_metrics(number_, line)) end(EndReason::Lost);
    return named;  // work was done, though its result is no number
  }
  report.resource = resource_of(line);
  reached_ = std::max(reached_, report.resource);
  std::vector<double>& known = course_[report.resource];
  known.resize(report.objectives.size(), std::numeric_limits<double>::quiet_NaN());
  bool news = false;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (std::isnan(report.objectives[i])) report.objectives[i] = known[i];
    news = news || (std::isfinite(report.objectives[i]) && report.objectives[i] != known[i]);
  }
  known = report.objectives;
  // A file that is read again from its beginning has no news up to where it was.
  if (news && !store_.report(number_, report, line)) end(EndReason::Lost);
  return news;
}

bool RunningTrial::read_metrics() { return take(metrics_->poll()); }

bool RunningTrial::advance() {
  const std::optional<int> status = ended_before_ ? std::optional<int>(0) : process_.poll();
  if (!status) {
    if (asked_ && !killed_ &&
        Clock::now() - *asked_ > std::chrono::duration<double>(options_.grace_seconds)) {
      killed_ = true;
      process_.kill();
    }
    return false;
  }
  take(metrics_->finish());
  status_ = *status;
  if (reason_ == EndReason::Paused && place_.last) {  // ended from outside, and complete
    reason_ = EndReason::None;
    status_ = 0;
    asked_.reset();
    killed_ = false;
  }
  if (reason_ != EndReason::None || status_ != 0) return true;
  if (reached_budget() && !place_.last) return true;
  if (++step_ == steps_.size()) return true;
  start_step();
  return false;
}

void RunningTrial::end(EndReason reason) {
  if (reason_ == EndReason::None || reason == EndReason::Lost) reason_ = reason;
  if (asked_) return;
  asked_ = Clock::now();
  if (reason == EndReason::Memory || reason == EndReason::Lost) {
    killed_ = true;
    process_.kill();
    return;
  }
  process_.ask_to_end();
}

void RunningTrial::enforce_limits(std::int64_t memory_bytes) {
  const double minutes = std::chrono::duration<double>(Clock::now() - start_).count() / 60;
  if (options_.minutes > 0 && minutes > options_.minutes) end(EndReason::Time);
  if (options_.memory_mb > 0 && static_cast<double>(memory_bytes) > options_.memory_mb * 1e6)
    end(EndReason::Memory);
}

static std::string last_line(const fs::path& path) {
  std::ifstream file(path);
  std::string last;
  for (std::string line; std::getline(file, line);) {
    const std::size_t begin =
        line.find_last_of('\r') == std::string::npos ? 0 : line.find_last_of('\r') + 1;
    if (line.size() > begin) last = line.substr(begin, 300);
  }
  return last;
}

std::string RunningTrial::failure() const {
  const std::string name = step_ == 0 ? "the program" : "'" + steps_.at(step_).label + "'";
  if (reason_ == EndReason::Time)
    return "it ran longer than " + shortest(options_.minutes) + " minutes";
  if (reason_ == EndReason::Memory)
    return "it used more than " + shortest(options_.memory_mb) + " MB of memory";
  std::string text = status_ > 128 ? name + " was killed by signal " + std::to_string(status_ - 128)
                                   : name + " ended with status " + std::to_string(status_);
  const std::string line = last_line(place_.folder / (steps_.at(step_).label + "-errors.log"));
  return line.empty() ? text : text + ": " + line;
}

}  // namespace jetcal::hpo::detail
