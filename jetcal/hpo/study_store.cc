// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/study_store.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/hpo/detail/database.h"
#include "jetcal/hpo/detail/tuner_locks.h"

namespace jetcal::hpo {

namespace fs = std::filesystem;
using detail::Database;
using detail::Query;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::int64_t kApplication = 0x4A43544E;  // "JCTN", in the header of the file
constexpr std::int64_t kSchema = 1;
constexpr double kOrphanInterval = 0.5;
// A tuner of another machine that says nothing for so long is dead.
constexpr double kLease = 60;

constexpr const char* kTables = R"sql(
CREATE TABLE study(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE tuners(id INTEGER PRIMARY KEY, host TEXT NOT NULL, boot TEXT NOT NULL,
  pid INTEGER NOT NULL, started REAL NOT NULL, heartbeat REAL NOT NULL, ended REAL);
CREATE TABLE trials(number INTEGER PRIMARY KEY, state TEXT NOT NULL, "values" TEXT NOT NULL,
  objectives TEXT NOT NULL, constraints TEXT NOT NULL, metrics TEXT NOT NULL,
  budget INTEGER NOT NULL, last INTEGER NOT NULL, bracket INTEGER NOT NULL, attempts INTEGER NOT NULL,
  failures INTEGER NOT NULL, created REAL NOT NULL, started REAL NOT NULL, ended REAL NOT NULL,
  seconds REAL NOT NULL, not_before REAL NOT NULL, tuner INTEGER NOT NULL, host TEXT NOT NULL,
  pid INTEGER NOT NULL, error TEXT NOT NULL, revision INTEGER NOT NULL);
CREATE INDEX trials_by_state ON trials(state);
CREATE INDEX trials_by_revision ON trials(revision);
CREATE TABLE reports(trial INTEGER NOT NULL, resource INTEGER NOT NULL, objectives TEXT NOT NULL,
  metrics TEXT NOT NULL, time REAL NOT NULL, PRIMARY KEY(trial, resource)) WITHOUT ROWID;
CREATE TABLE events(id INTEGER PRIMARY KEY, time REAL NOT NULL, trial INTEGER NOT NULL,
  tuner INTEGER NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL);
INSERT INTO study VALUES('revision', 0);
)sql";

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

std::string metrics_text(const Metrics& metrics) {
  Json json = Json::object();
  for (const auto& [name, value] : metrics)
    json[name] = std::isfinite(value) ? Json(value) : Json();
  return json.dump();
}

std::int64_t reached(const Trial& trial) {
  return trial.course.empty() ? 0 : trial.course.back().resource;
}

}  // namespace

StudyStore::StudyStore(fs::path path, std::unique_ptr<Database> database)
    : path_(std::move(path)), database_(std::move(database)) {}
StudyStore::StudyStore(StudyStore&&) noexcept = default;
StudyStore::~StudyStore() = default;

bool StudyStore::is_study(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, 15> magic{};
  return file.read(magic.data(), magic.size()) &&
         std::string_view(magic.data(), magic.size()) == "SQLite format 3";
}

fs::path StudyStore::lock_path() const { return path_.string() + "-locks"; }

StudyStore StudyStore::create(const fs::path& path, const StudyDefinition& definition) {
  validate(definition);
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  StudyStore store(path, std::make_unique<Database>(path, Database::Mode::Create));
  store.database_->write([&] { store.make_tables(definition); });
  store.load_definition();
  const std::string field = first_difference(store.definition_, definition);
  if (!field.empty()) {
    jetcal::fail(ErrorCode::FailedPrecondition, path.string(), " is a study with other ", field,
                 ": it has ", to_json(store.definition_).at(field).dump(), ", now given ",
                 to_json(definition).at(field).dump());
  }
  store.set_limits(definition);
  store.refresh();
  return store;
}

StudyStore StudyStore::open(const fs::path& path) {
  StudyStore store(path, std::make_unique<Database>(path, Database::Mode::Write));
  store.load_definition();
  store.refresh();
  return store;
}

StudyStore StudyStore::read(const fs::path& path) {
  StudyStore store(path, std::make_unique<Database>(path, Database::Mode::Read));
  store.load_definition();
  store.refresh();
  return store;
}

// Makes the tables where they are not there.
void StudyStore::make_tables(const StudyDefinition& definition) {
  Query application(*database_, "PRAGMA application_id");
  application.step();
  const std::int64_t id = application.integer(0);
  Query tables(*database_, "SELECT count(*) FROM sqlite_master");
  tables.step();
  if (tables.integer(0) == 0) {
    database_->execute(kTables);
    database_->execute("PRAGMA application_id=" + std::to_string(kApplication) +
                       "; PRAGMA user_version=" + std::to_string(kSchema));
    Query(*database_, "INSERT INTO study VALUES('definition', ?)")
        .bind(1, to_json(definition).dump())
        .run();
    Query(*database_, "INSERT INTO study VALUES('created', ?)").bind(1, now_seconds()).run();
    return;
  }
  if (id != kApplication) {
    jetcal::fail(ErrorCode::FailedPrecondition, path_.string(),
                 " is a database of another program, not a study");
  }
  Query held(*database_, "SELECT value FROM study WHERE key='definition'");
  if (!held.step()) database_->failed(11);  // SQLITE_CORRUPT
}

// Takes the limits of a definition that is the same in all else.
void StudyStore::set_limits(const StudyDefinition& definition) {
  const Json json = to_json(definition);
  if (to_json(definition_).at("limits") == json.at("limits")) return;
  definition_.limits = definition.limits;
  database_->write([&] {
    Query(*database_, "UPDATE study SET value=? WHERE key='definition'").bind(1, json.dump()).run();
  });
}

void StudyStore::load_definition() {
  database_->read([&] {
    Query application(*database_, "PRAGMA application_id");
    application.step();
    if (application.integer(0) != kApplication) {
      jetcal::fail(ErrorCode::DataLoss, path_.string(),
                   " is not a study: it lacks the mark of jetcal tune");
    }
    Query version(*database_, "PRAGMA user_version");
    version.step();
    if (version.integer(0) != kSchema) {
      jetcal::fail(ErrorCode::Unimplemented, path_.string(), " is of version ", version.integer(0),
                   " of studies, this program knows ", kSchema);
    }
    Query query(*database_, "SELECT key, value FROM study");
    while (query.step()) {
      if (query.text(0) == "definition")
        definition_ = definition_from_json(Json::parse(query.text(1)));
      if (query.text(0) == "created") created_ = query.real(1);
    }
  });
  history_.objectives = definition_.objectives;
}

double StudyStore::created() const { return created_; }

bool StudyStore::tuner_alive(const TunerRecord& tuner, const std::string& boot) const {
  if (tuner.id == tuner_) return true;
  if (boot != detail::boot_id()) return now_seconds() - tuner.heartbeat < kLease;
  if (locks_) return locks_->taken(detail::kTunerBytes + tuner.id);
  return fs::exists(lock_path()) && ::access(lock_path().c_str(), W_OK) == 0 &&
         detail::TunerLocks(lock_path()).taken(detail::kTunerBytes + tuner.id);
}

std::int64_t StudyStore::join() {
  locks_ = std::make_unique<detail::TunerLocks>(lock_path());
  const double now = now_seconds();
  database_->write([&] {
    Query(*database_,
          "INSERT INTO tuners(host, boot, pid, started, heartbeat) VALUES(?, ?, ?, ?, ?)")
        .bind(1, host_name())
        .bind(2, detail::boot_id())
        .bind(3, static_cast<std::int64_t>(::getpid()))
        .bind(4, now)
        .bind(5, now)
        .run();
    Query id(*database_, "SELECT last_insert_rowid()");
    id.step();
    tuner_ = id.integer(0);
    // Before others can see the row.
    if (!locks_->take(detail::kTunerBytes + tuner_)) {
      jetcal::fail(ErrorCode::Internal, "the lock of tuner ", tuner_, " is taken: was ",
                   path_.string(), " replaced while tuners run on it?");
    }
  });
  return tuner_;
}

void StudyStore::heartbeat() {
  database_->write([&] {
    Query(*database_, "UPDATE tuners SET heartbeat=? WHERE id=?")
        .bind(1, now_seconds())
        .bind(2, tuner_)
        .run();
  });
}

void StudyStore::leave() {
  if (tuner_ == 0) return;
  database_->write([&] {
    Query(*database_, "UPDATE tuners SET ended=?, heartbeat=? WHERE id=?")
        .bind(1, now_seconds())
        .bind(2, now_seconds())
        .bind(3, tuner_)
        .run();
  });
  locks_->give_back(detail::kTunerBytes + tuner_);
  tuner_ = 0;
}

std::int64_t StudyStore::requeue_orphans() {
  std::int64_t count = 0;
  database_->write([&] { count = requeue_orphans_now(); });
  return count;
}

std::int64_t StudyStore::requeue_orphans_now() {
  struct Orphan {
    std::int64_t trial;
    TunerRecord tuner;
  };
  last_orphan_check_ = now_seconds();
  std::vector<Orphan> orphans;
  Query query(*database_,
              "SELECT trials.number, tuners.id, tuners.host, tuners.pid, tuners.heartbeat,"
              " tuners.boot, tuners.ended FROM trials LEFT JOIN tuners ON tuners.id = trials.tuner"
              " WHERE trials.state='running'");
  while (query.step()) {
    TunerRecord tuner{query.integer(1), query.text(2), query.integer(3), 0, query.real(4), false};
    const bool left = query.null(1) || !query.null(6);
    if (!left && tuner_alive(tuner, query.text(5))) continue;
    // Its processes may still be on their way out.
    if (locks_ && locks_->taken(detail::kTrialBytes + query.integer(0))) continue;
    orphans.push_back({query.integer(0), tuner});
  }
  for (const Orphan& orphan : orphans) {
    const std::string reason = "the tuner on " + orphan.tuner.host + " (process " +
                               std::to_string(orphan.tuner.pid) + ") ended";
    Query(*database_,
          "UPDATE trials SET state='waiting', tuner=0, not_before=0, error=? WHERE number=?")
        .bind(1, reason)
        .bind(2, orphan.trial)
        .run();
    touch(orphan.trial);
    add_event(orphan.trial, "requeued", reason);
  }
  return static_cast<std::int64_t>(orphans.size());
}

std::int64_t StudyStore::next_revision() {
  Query(*database_, "UPDATE study SET value=value+1 WHERE key='revision'").run();
  Query query(*database_, "SELECT value FROM study WHERE key='revision'");
  query.step();
  return query.integer(0);
}

void StudyStore::touch(std::int64_t trial) {
  Query(*database_, "UPDATE trials SET revision=? WHERE number=?")
      .bind(1, next_revision())
      .bind(2, trial)
      .run();
}

void StudyStore::add_event(std::int64_t trial, const char* what, const std::string& detail) {
  Query(*database_, "INSERT INTO events(time, trial, tuner, what, detail) VALUES(?, ?, ?, ?, ?)")
      .bind(1, now_seconds())
      .bind(2, trial)
      .bind(3, tuner_)
      .bind(4, std::string(what))
      .bind(5, detail)
      .run();
}

std::int64_t StudyStore::spent_resource() const {
  std::int64_t sum = 0;
  for (const Trial& trial : history_.trials) {
    const bool open = trial.state == TrialState::Running || trial.state == TrialState::Waiting;
    sum += open ? std::max(trial.budget, reached(trial)) : reached(trial);
  }
  return sum;
}

bool StudyStore::reached_limit(double now) const {
  const StudyLimits& limits = definition_.limits;
  if (limits.hours > 0 && now - created_ >= 3600 * limits.hours) return true;
  std::int64_t failed = 0;
  for (const Trial& trial : history_.trials) {
    failed += trial.state == TrialState::Failed ? 1 : 0;
    if (!limits.goal || trial.state != TrialState::Complete || trial.objectives.empty()) continue;
    const double value = trial.objectives.front();
    if (is_feasible(trial) &&
        (definition_.objectives.front().maximise ? value >= *limits.goal : value <= *limits.goal)) {
      return true;
    }
  }
  return limits.failed_trials > 0 && failed >= limits.failed_trials;
}

std::optional<Proposal> StudyStore::next(Algorithm& algorithm) const {
  const StudyLimits& limits = definition_.limits;
  std::optional<Proposal> proposal = algorithm.propose(history_);
  if (!proposal) return proposal;
  if (!proposal->resume && limits.trials > 0 &&
      static_cast<std::int64_t>(history_.trials.size()) >= limits.trials) {
    return std::nullopt;
  }
  if (limits.resource > 0) {
    const std::int64_t before =
        proposal->resume ? reached(history_.trials.at(static_cast<std::size_t>(*proposal->resume)))
                         : 0;
    const std::int64_t more = std::max<std::int64_t>(1, proposal->budget - before);
    if (spent_resource() + more > limits.resource) return std::nullopt;
  }
  return proposal;
}

std::int64_t StudyStore::insert(const Trial& trial, const TrialRecord& record, bool owned) {
  Query last(*database_, "SELECT coalesce(max(number), -1) + 1 FROM trials");
  last.step();
  const std::int64_t number = last.integer(0);
  const double now = now_seconds();
  Query(*database_,
        "INSERT INTO trials VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(1, number)
      .bind(2, std::string(to_string(trial.state)))
      .bind(3, to_json(trial.values).dump())
      .bind(4, to_json(trial.objectives).dump())
      .bind(5, to_json(trial.constraints).dump())
      .bind(6, metrics_text(record.metrics))
      .bind(7, trial.budget)
      .bind(8, record.last ? 1 : 0)
      .bind(9, trial.bracket)
      .bind(10, record.attempts)
      .bind(11, record.failures)
      .bind(12, record.created > 0 ? record.created : now)
      .bind(13, record.started)
      .bind(14, record.ended)
      .bind(15, record.seconds)
      .bind(16, record.not_before)
      .bind(17, owned ? tuner_ : 0)
      .bind(18, record.host)
      .bind(19, record.pid)
      .bind(20, record.error)
      .bind(21, next_revision())
      .run();
  for (const Report& report : trial.course) {
    Query(*database_, "INSERT OR REPLACE INTO reports VALUES(?, ?, ?, '{}', ?)")
        .bind(1, number)
        .bind(2, report.resource)
        .bind(3, to_json(report.objectives).dump())
        .bind(4, now)
        .run();
  }
  return number;
}

// Gives a trial to this tuner.
void StudyStore::take(std::int64_t number, const char* what, const std::string& detail) {
  const double now = now_seconds();
  Query(*database_,
        "UPDATE trials SET state='running', tuner=?, host=?, pid=?, attempts=attempts+1, error='',"
        " started=CASE WHEN started > 0 THEN started ELSE ? END, ended=?, revision=?"
        " WHERE number=?")
      .bind(1, tuner_)
      .bind(2, host_name())
      .bind(3, static_cast<std::int64_t>(::getpid()))
      .bind(4, now)
      .bind(5, 0.0)
      .bind(6, next_revision())
      .bind(7, number)
      .run();
  add_event(number, what, detail);
}

Claim StudyStore::claim(Algorithm& algorithm) {
  refresh();  // outside of the lock, so that little is left to read inside
  Claim claim;
  database_->write([&] {
    const double now = now_seconds();
    if (now - last_orphan_check_ > kOrphanInterval) requeue_orphans_now();
    read_changes();
    if (reached_limit(now)) {
      claim.kind = Claim::Kind::Done;
      return;
    }
    Query waiting(*database_,
                  "SELECT number FROM trials WHERE state='waiting' AND not_before <= ?"
                  " ORDER BY number LIMIT 1");
    waiting.bind(1, now);
    if (waiting.step()) {
      claim = {Claim::Kind::Run, waiting.integer(0)};
      take(claim.trial, "started", "");
    } else if (const std::optional<Proposal> proposal = next(algorithm)) {
      claim.kind = Claim::Kind::Run;
      if (proposal->resume) {
        claim.trial = *proposal->resume;
        Query(*database_, "UPDATE trials SET budget=?, last=?, bracket=? WHERE number=?")
            .bind(1, proposal->budget)
            .bind(2, proposal->last ? 1 : 0)
            .bind(3, proposal->bracket)
            .bind(4, claim.trial)
            .run();
        take(claim.trial, "promoted", "to " + std::to_string(proposal->budget));
      } else {
        definition_.space.check(proposal->values);
        Trial trial;
        trial.values = proposal->values;
        trial.budget = proposal->budget;
        trial.bracket = proposal->bracket;
        TrialRecord record;
        record.last = proposal->last;
        claim.trial = insert(trial, record, /*owned=*/true);
        add_event(claim.trial, "proposed", "");
        take(claim.trial, "started", "");
      }
    } else {
      Query open(*database_, "SELECT count(*) FROM trials WHERE state IN ('running', 'waiting')");
      open.step();
      claim.kind = open.integer(0) > 0 ? Claim::Kind::Wait : Claim::Kind::Done;
    }
    read_changes();
  });
  return claim;
}

std::int64_t StudyStore::add(const std::vector<Trial>& trials,
                             const std::vector<TrialRecord>& records) {
  std::int64_t first = -1;
  database_->write([&] {
    for (std::size_t i = 0; i < trials.size(); ++i) {
      definition_.space.check(trials[i].values);
      const std::int64_t number =
          insert(trials[i], i < records.size() ? records[i] : TrialRecord{}, /*owned=*/false);
      add_event(number, "added", std::string(to_string(trials[i].state)));
      if (first < 0) first = number;
    }
  });
  refresh();
  return first;
}

}  // namespace jetcal::hpo
