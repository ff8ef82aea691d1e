// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/database.h"

#include <sqlite3.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "jetcal/base/encoding.h"
#include "jetcal/base/error.h"
#include "jetcal/base/random.h"

namespace jetcal::hpo::detail {

namespace fs = std::filesystem;

namespace {

// Longer than any transaction of ours takes, thousands of them in a row included.
constexpr std::chrono::minutes kPatience{10};

// Sleeps before the next try; times differ from process to process, so that they do not meet again.
// The threads of the board read studies of their own at the same time.
void back_off(int tries) {
  static thread_local Rng rng(mix64(
      static_cast<std::uint64_t>(::getpid()),
      static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count())));
  const double most_ms = std::min(20.0, 0.5 * static_cast<double>(1 << std::min(tries, 8)));
  const auto microseconds = static_cast<std::int64_t>(1000 * most_ms * (0.25 + rng.uniform()));
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
}

// SQLite asks this before each new try for a lock.
int on_busy(void* /*database*/, int tries) {
  static thread_local std::chrono::steady_clock::time_point start;
  const auto now = std::chrono::steady_clock::now();
  if (tries == 0) start = now;
  back_off(tries);
  return now - start < kPatience ? 1 : 0;
}

bool is_locked(int code) {
  const int primary = code & 0xFF;
  return primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_PROTOCOL;
}

// The write-ahead log shares memory between processes, which these file systems do not have.
const char* network_file_system(const fs::path& folder) {
  struct statfs info {};
  if (::statfs(folder.c_str(), &info) != 0) return nullptr;
  switch (static_cast<std::uint32_t>(info.f_type)) {
    case 0x6969:
      return "NFS";
    case 0x517B:
    case 0xFF534D42:
    case 0xFE534D42:
      return "SMB";
    case 0x5346414F:
      return "AFS";
    case 0x0BD00BD0:
      return "Lustre";
    case 0x00C36400:
      return "CephFS";
    default:
      return nullptr;
  }
}

}  // namespace

Database::Database(fs::path path, Mode mode) : path_(std::move(path)) {
  if (mode != Mode::Create && !fs::exists(path_))
    fail(ErrorCode::NotFound, "there is no study ", path_.string());
  const fs::path folder = path_.has_parent_path() ? path_.parent_path() : fs::path(".");
  if (mode != Mode::Read) {
    if (const char* const kind = network_file_system(folder)) {
      fail(ErrorCode::FailedPrecondition, "the study ", path_.string(), " is on ", kind,
           ", which cannot be shared safely: use a local folder");
    }
  }
  try {
    open(mode);
  } catch (...) {
    sqlite3_close_v2(handle_);
    throw;
  }
}

void Database::open(Mode mode) {
  const int flags = mode == Mode::Create  ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                    : mode == Mode::Write ? SQLITE_OPEN_READWRITE
                                          : SQLITE_OPEN_READONLY;
  int code = sqlite3_open_v2(path_.c_str(), &handle_, flags, nullptr);
  if (code != SQLITE_OK) failed(code);
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_handler(handle_, on_busy, this);
  if (mode == Mode::Read) {
    code = sqlite3_exec(handle_, "SELECT count(*) FROM sqlite_master", nullptr, nullptr, nullptr);
    if ((code & 0xFF) != SQLITE_CANTOPEN && (code & 0xFF) != SQLITE_READONLY) {
      if (code != SQLITE_OK) failed(code);
      return;
    }
    // A folder that cannot be written: nobody writes the file either.
    sqlite3_close_v2(std::exchange(handle_, nullptr));
    const std::string uri =
        "file:" + percent_encoded(path_.string(), /*keep_slash=*/true) + "?immutable=1";
    code = sqlite3_open_v2(uri.c_str(), &handle_, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, nullptr);
    if (code != SQLITE_OK) failed(code);
    return;
  }
  use_write_ahead_log();
  execute("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=1000; PRAGMA foreign_keys=ON");
}

void Database::use_write_ahead_log() {
  const auto start = std::chrono::steady_clock::now();
  for (int tries = 0;; ++tries) {
    std::string mode;
    const auto keep = [](void* text, int, char** values, char**) {
      *static_cast<std::string*>(text) = values[0] != nullptr ? values[0] : "";
      return 0;
    };
    const int code = sqlite3_exec(handle_, "PRAGMA journal_mode=WAL", keep, &mode, nullptr);
    if (code == SQLITE_OK && mode == "wal") return;
    if (code == SQLITE_OK) {
      fail(ErrorCode::FailedPrecondition, "the study ", path_.string(),
           " is on a file system without shared memory between processes: use a local folder");
    }
    // Others open it too: SQLite does not wait here by itself.
    if (!is_locked(code) || std::chrono::steady_clock::now() - start > kPatience) failed(code);
    back_off(tries);
  }
}

Database::Database(Database&& other) noexcept
    : path_(std::move(other.path_)), handle_(std::exchange(other.handle_, nullptr)) {}

Database::~Database() { sqlite3_close_v2(handle_); }

void Database::failed(int code) const {
  const std::string reason =
      handle_ != nullptr ? sqlite3_errmsg(handle_) : std::string(sqlite3_errstr(code));
  switch (code & 0xFF) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      fail(ErrorCode::DataLoss, path_.string(), " is not a study, or it is damaged: ", reason);
    case SQLITE_FULL:
      fail(ErrorCode::ResourceExhausted, "the disk is full: cannot write the study ",
           path_.string());
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH:
      fail(ErrorCode::FailedPrecondition, "cannot open the study ", path_.string(), ": ", reason);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      fail(ErrorCode::Unavailable, "another program has locked the study ", path_.string(),
           " for more than ", kPatience.count(), " minutes");
    default:
      fail(ErrorCode::Internal, "the study ", path_.string(), ": ", reason);
  }
}

void Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) failed(code);
}

void Database::begin(const char* sql) {
  const auto start = std::chrono::steady_clock::now();
  for (int tries = 0;; ++tries) {
    const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return;
    // Another process repairs the log of one that was killed, or closes the file as the last one.
    if (!is_locked(code) || std::chrono::steady_clock::now() - start > kPatience) failed(code);
    if (sql[0] == 'B') sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
    back_off(tries);
  }
}

void Database::write(const std::function<void()>& work) {
  begin("BEGIN IMMEDIATE");
  try {
    work();
    begin("COMMIT");
  } catch (...) {
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

void Database::read(const std::function<void()>& work) {
  begin("BEGIN; SELECT count(*) FROM sqlite_master");
  try {
    work();
  } catch (...) {
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
  begin("COMMIT");
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

Query::Query(const Database& database, const std::string& sql) : database_(database) {
  const int code = sqlite3_prepare_v2(database.handle(), sql.c_str(), -1, &statement_, nullptr);
  if (code != SQLITE_OK) database.failed(code);
}

Query::~Query() { sqlite3_finalize(statement_); }

Query& Query::bind(int place, std::int64_t value) {
  sqlite3_bind_int64(statement_, place, value);
  return *this;
}

Query& Query::bind(int place, double value) {
  sqlite3_bind_double(statement_, place, value);
  return *this;
}

Query& Query::bind(int place, const std::string& value) {
  sqlite3_bind_text(statement_, place, value.data(), static_cast<int>(value.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Query& Query::bind_null(int place) {
  sqlite3_bind_null(statement_, place);
  return *this;
}

bool Query::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_.failed(code);
  return false;
}

void Query::run() {
  while (step()) {
  }
}

bool Query::null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Query::integer(int column) const { return sqlite3_column_int64(statement_, column); }

double Query::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string Query::text(int column) const {
  const auto* const text =
      reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));  // NOLINT
  return text == nullptr
             ? std::string()
             : std::string(text,
                           static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

}  // namespace jetcal::hpo::detail
