// SPDX-License-Identifier: Apache-2.0
// A study in a file that any number of tuner processes share, crash or not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/hpo/study.h"

namespace jetcal::hpo {

namespace detail {
class Database;
class TunerLocks;
}  // namespace detail

/// Metrics by name, as a trial printed them last.
using Metrics = std::map<std::string, double>;

/// What the file knows of a trial beyond what algorithms need. Times are seconds since 1970, 0
/// where there is none.
struct TrialRecord {
  Metrics metrics;
  std::int64_t attempts = 0;  ///< Processes started for it.
  std::int64_t failures = 0;  ///< Of these, those that failed by themselves.
  double created = 0, started = 0, ended = 0;
  double seconds = 0;      ///< Running, over all attempts.
  double not_before = 0;   ///< A failed trial waits so long.
  bool last = true;        ///< Its budget is the last one: having reached it, it is complete.
  std::int64_t tuner = 0;  ///< That runs it or ran it last.
  std::string host;
  std::int64_t pid = 0;
  std::string error;  ///< Why it failed or was cut off last.
};

/// One line of a trial's life.
struct TrialEvent {
  double time = 0;
  std::int64_t trial = 0;
  std::int64_t tuner = 0;
  std::string what;  ///< proposed, started, resumed, paused, complete, stopped, failed, ...
  std::string detail;
};

/// A tuner process, as the file knows it.
struct TunerRecord {
  std::int64_t id = 0;
  std::string host;
  std::int64_t pid = 0;
  double started = 0, heartbeat = 0;
  bool alive = false;
};

/// What to do next.
struct Claim {
  enum class Kind {
    Run,   ///< `trial` is this tuner's now.
    Wait,  ///< Nothing now: others run, or a failed trial waits for its time.
    Done,  ///< Nothing any more.
  };
  Kind kind = Kind::Wait;
  std::int64_t trial = -1;
};

/// A study file: SQLite with a write-ahead log. Readable at any time; a trial has one owner, and
/// what a killed owner leaves is given to the next one. Not thread-safe; one object a process.
class StudyStore {
 public:
  /// Opens the file, or makes it. Throws FailedPrecondition naming the field when it holds another
  /// study; limits may differ, and are taken from `definition`.
  static StudyStore create(const std::filesystem::path& path, const StudyDefinition& definition);
  /// Opens an existing file to write.
  static StudyStore open(const std::filesystem::path& path);
  /// Opens an existing file to look at, also one in a folder that cannot be written.
  static StudyStore read(const std::filesystem::path& path);
  /// Tells whether a file is an SQLite database (and so, not a table of trials).
  static bool is_study(const std::filesystem::path& path);
  ~StudyStore();
  StudyStore(StudyStore&&) noexcept;

  const StudyDefinition& definition() const noexcept { return definition_; }
  /// Reads what changed since; objectives and trials in order of their numbers.
  const History& refresh();
  const History& history() const noexcept { return history_; }
  /// Of trial `number` = index, as of the last refresh().
  const std::vector<TrialRecord>& records() const noexcept { return records_; }
  std::vector<TrialEvent> events() const;
  std::vector<TunerRecord> tuners() const;
  double created() const;

  /// Makes this process a tuner: others see it alive until it ends, however it does.
  std::int64_t join();
  void heartbeat();
  /// Ends what join() began; trials it still runs go back to the queue.
  void leave();
  /// Gives trials of dead tuners back to the queue; returns how many.
  std::int64_t requeue_orphans();

  /// Takes a waiting trial, or proposes one and takes it, in one transaction.
  Claim claim(Algorithm& algorithm);
  /// Adds trials with given values to the queue (enqueue, import). Returns the first number.
  std::int64_t add(const std::vector<Trial>& trials, const std::vector<TrialRecord>& records);

  // Of a trial that this tuner runs. Each returns false when it is not (any more) this tuner's.
  bool report(std::int64_t trial, const Report& report, const Metrics& metrics);
  bool set_metrics(std::int64_t trial, const Metrics& metrics);
  /// Complete, with final objectives and metrics for the constraints.
  bool complete(std::int64_t trial, const std::vector<double>& objectives);
  bool pause(std::int64_t trial);
  bool stop(std::int64_t trial, const std::string& reason);
  /// Queues it again after `delay` seconds, or, without a delay, fails it for good.
  bool fail(std::int64_t trial, const std::string& reason, std::optional<double> delay);
  /// Queues it again at once: it was cut off for no fault of its own.
  bool release(std::int64_t trial, const std::string& reason);
  bool owns(std::int64_t trial) const;

  /// File whose byte ranges say which tuners and trials are alive; see detail/tuner_locks.h.
  std::filesystem::path lock_path() const;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  StudyStore(std::filesystem::path path, std::unique_ptr<detail::Database> database);
  void make_tables(const StudyDefinition& definition);
  void set_limits(const StudyDefinition& definition);
  void load_definition();
  void read_changes();
  bool tuner_alive(const TunerRecord& tuner, const std::string& boot) const;
  std::int64_t requeue_orphans_now();
  bool reached_limit(double now) const;
  std::int64_t spent_resource() const;
  std::optional<Proposal> next(Algorithm& algorithm) const;
  std::int64_t insert(const Trial& trial, const TrialRecord& record, bool owned);
  void take(std::int64_t number, const char* what, const std::string& detail);
  bool end(std::int64_t trial, TrialState state, const char* what, const std::string& reason,
           const std::function<void()>& more);
  std::int64_t next_revision();
  void touch(std::int64_t trial);
  /// Adds metrics to those that a trial has.
  void merge_metrics(std::int64_t trial, const Metrics& metrics);
  void add_event(std::int64_t trial, const char* what, const std::string& detail);

  std::filesystem::path path_;
  std::unique_ptr<detail::Database> database_;
  std::unique_ptr<detail::TunerLocks> locks_;
  StudyDefinition definition_;
  History history_;
  std::vector<TrialRecord> records_;
  std::int64_t revision_ = 0;  // up to which history_ was read
  std::int64_t tuner_ = 0;     // 0: no tuner
  double created_ = 0;
  double last_orphan_check_ = 0;
};

}  // namespace jetcal::hpo
