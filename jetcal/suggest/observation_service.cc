// SPDX-License-Identifier: Apache-2.0
#include "jetcal/suggest/observation_service.h"

#include <katib.pb.h>
#include <sqlite3.h>

#include <array>
#include <chrono>
#include <cmath>
#include <limits>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"
#include "jetcal/suggest/detail/message.h"

namespace jetcal::suggest {

namespace katib = api::v1::beta1;

namespace {

constexpr int kBusyMilliseconds = 10000;

// A prepared statement; bound and stepped in order.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) {
    ok_ = sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr) == SQLITE_OK;
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(const std::string& text) {
    ok_ = ok_ && sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()),
                                   SQLITE_TRANSIENT) == SQLITE_OK;
    return *this;
  }
  Statement& bind(double number) {
    ok_ = ok_ && sqlite3_bind_double(statement_, ++bound_, number) == SQLITE_OK;
    return *this;
  }
  bool row() { return ok_ && keep(sqlite3_step(statement_)) == SQLITE_ROW; }
  bool done() { return ok_ && keep(sqlite3_step(statement_)) == SQLITE_DONE; }
  bool ended_well() const { return ok_ && last_ == SQLITE_DONE; }
  void reset() {
    sqlite3_reset(statement_);
    bound_ = 0;
  }
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return {bytes != nullptr ? bytes : "",
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  int keep(int code) { return last_ = code; }
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0, last_ = SQLITE_OK;
  bool ok_ = false;
};

// Undone unless committed.
class Transaction {
 public:
  explicit Transaction(sqlite3* database) : database_(database) {
    open_ = sqlite3_exec(database, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK;
  }
  ~Transaction() {
    if (open_) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  bool open() const { return open_; }
  bool commit() {
    if (sqlite3_exec(database_, "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK) return false;
    open_ = false;
    return true;
  }

 private:
  sqlite3* database_;
  bool open_ = false;
};

int digits(const std::string& text, std::size_t begin, std::size_t count) {
  if (begin + count > text.size()) return -1;
  return parse_number<int>(std::string_view(text).substr(begin, count)).value_or(-1);
}

}  // namespace

double parse_time(const std::string& text) {
  const auto wrong = [&]() {
    fail(ErrorCode::InvalidArgument, "'", text, "' is no time as in 2026-11-23T07:30:00Z");
  };
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (year < 0 || month < 1 || day < 1 || !date.ok() || hour < 0 || hour > 24 || minute < 0 ||
      minute > 59 || second < 0 || second > 60 || text.size() < 20)
    wrong();
  double seconds = hour * 3600.0 + minute * 60.0 + second;
  std::size_t at = 19;
  if (text[at] == '.') {
    double scale = 0.1;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10)
      seconds += scale * (text[at] - '0');
  }
  const std::string zone = text.substr(at);
  if (zone != "Z" && zone != "z") {
    const int zone_hours = zone.size() == 6 ? digits(zone, 1, 2) : -1;
    const int zone_minutes = zone.size() == 6 ? digits(zone, 4, 2) : -1;
    if (zone_hours < 0 || zone_minutes < 0 || (zone[0] != '+' && zone[0] != '-')) wrong();
    seconds -= (zone[0] == '-' ? -1 : 1) * (zone_hours * 3600.0 + zone_minutes * 60.0);
  }
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return static_cast<double>(days) * 86400 + seconds;
}

ObservationService::ObservationService(const std::filesystem::path& path) : path_(path) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  database_.reset(database);  // there is one after most failures, too
  if (code != SQLITE_OK) give_up("open");
  sqlite3_busy_timeout(database_.get(), kBusyMilliseconds);
  const char* const sql =
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
      "CREATE TABLE IF NOT EXISTS observations (id INTEGER PRIMARY KEY, trial TEXT NOT NULL,"
      " seconds REAL NOT NULL, time TEXT NOT NULL, metric TEXT NOT NULL, value TEXT NOT NULL);"
      "CREATE UNIQUE INDEX IF NOT EXISTS one_report ON observations"
      " (trial, metric, seconds, value);";
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) give_up("open");
}

void ObservationService::Close::operator()(sqlite3* database) const noexcept {
  sqlite3_close(database);
}

void ObservationService::give_up(const std::string& doing) const {
  const int code = database_ != nullptr ? sqlite3_errcode(database_.get()) : SQLITE_NOMEM;
  const std::string reason =
      database_ != nullptr ? sqlite3_errmsg(database_.get()) : "out of memory";
  ErrorCode kind = ErrorCode::Internal;
  if (code == SQLITE_FULL || code == SQLITE_NOMEM) kind = ErrorCode::ResourceExhausted;
  if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT) kind = ErrorCode::DataLoss;
  if (code == SQLITE_CANTOPEN || code == SQLITE_READONLY || code == SQLITE_PERM)
    kind = ErrorCode::InvalidArgument;
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) kind = ErrorCode::Unavailable;
  fail(kind, "cannot ", doing, " the file of observations ", path_.string(), ": ", reason);
}

std::string ObservationService::report_observation_log(std::string_view bytes) {
  const auto request = detail::parse<katib::ReportObservationLogRequest>(bytes);
  if (request.trial_name().empty()) fail(ErrorCode::InvalidArgument, "trial_name is missing");
  const std::lock_guard lock(mutex_);
  std::vector<double> seconds;
  for (const katib::MetricLog& log : request.observation_log().metric_logs())
    seconds.push_back(parse_time(log.time_stamp()));
  Transaction transaction(database_.get());
  if (!transaction.open()) give_up("write");
  {
    Statement insert(database_.get(),
                     "INSERT OR IGNORE INTO observations (trial, seconds, time, metric, value)"
                     " VALUES (?, ?, ?, ?, ?)");
    std::size_t next = 0;
    for (const katib::MetricLog& log : request.observation_log().metric_logs()) {
      insert.bind(request.trial_name()).bind(seconds[next++]);
      insert.bind(log.time_stamp()).bind(log.metric().name()).bind(log.metric().value());
      if (!insert.done()) give_up("write");
      insert.reset();
    }
  }
  if (!transaction.commit()) give_up("write");
  return katib::ReportObservationLogReply().SerializeAsString();
}

std::vector<ObservationService::Entry> ObservationService::read(const std::string& trial,
                                                                const std::string& metric,
                                                                double from, double to) {
  const std::lock_guard lock(mutex_);
  Statement select(database_.get(),
                   "SELECT time, metric, value FROM observations WHERE trial = ? AND"
                   " (? = '' OR metric = ?) AND seconds >= ? AND seconds <= ?"
                   " ORDER BY seconds, id");
  select.bind(trial).bind(metric).bind(metric).bind(from).bind(to);
  std::vector<Entry> entries;
  while (select.row()) entries.push_back({select.text(0), select.text(1), select.text(2)});
  if (!select.ended_well()) give_up("read");
  return entries;
}

std::string ObservationService::get_observation_log(std::string_view bytes) {
  const auto request = detail::parse<katib::GetObservationLogRequest>(bytes);
  constexpr double kNoBound = 1e18;
  const double from = request.start_time().empty() ? -kNoBound : parse_time(request.start_time());
  const double to = request.end_time().empty() ? kNoBound : parse_time(request.end_time());
  katib::GetObservationLogReply reply;
  auto& logs = *reply.mutable_observation_log();
  for (const Entry& entry : read(request.trial_name(), request.metric_name(), from, to)) {
    katib::MetricLog& log = *logs.add_metric_logs();
    log.set_time_stamp(entry.time);
    log.mutable_metric()->set_name(entry.metric);
    log.mutable_metric()->set_value(entry.value);
  }
  return reply.SerializeAsString();
}

std::string ObservationService::delete_observation_log(std::string_view bytes) {
  const auto request = detail::parse<katib::DeleteObservationLogRequest>(bytes);
  const std::lock_guard lock(mutex_);
  Statement remove(database_.get(), "DELETE FROM observations WHERE trial = ?");
  if (!remove.bind(request.trial_name()).done()) give_up("write");
  return katib::DeleteObservationLogReply().SerializeAsString();
}

std::vector<double> ObservationService::metric_values(const std::string& trial,
                                                      const std::string& metric) {
  constexpr double kNoBound = 1e18;
  std::vector<double> values;
  for (const Entry& entry : read(trial, metric, -kNoBound, kNoBound)) {
    const std::optional<double> value = parse_signed_number<double>(entry.value);
    if (value && std::isfinite(*value)) values.push_back(*value);
  }
  return values;
}

}  // namespace jetcal::suggest
