// SPDX-License-Identifier: Apache-2.0
// SQLite behind values and exceptions: a file that many processes write without ever seeing a lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

struct sqlite3;
struct sqlite3_stmt;

namespace jetcal::hpo::detail {

/// Opens a file in write-ahead mode. Waits as long as others write. Not thread-safe.
class Database {
 public:
  enum class Mode { Create, Write, Read };
  /// Throws NotFound when the file is not there, DataLoss when it is no database,
  /// FailedPrecondition where it cannot be written or its file system has no shared memory.
  Database(std::filesystem::path path, Mode mode);
  ~Database();
  Database(Database&& other) noexcept;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs statements without results. Throws ResourceExhausted on a full disk.
  void execute(const std::string& sql);
  /// Runs `work` as one transaction that excludes other writers; an exception undoes it.
  void write(const std::function<void()>& work);
  /// Runs `work` on one state of the file, whatever others write meanwhile.
  void read(const std::function<void()>& work);
  /// Rows that the last statement changed.
  std::int64_t changes() const;
  [[noreturn]] void failed(int code) const;

  sqlite3* handle() const noexcept { return handle_; }
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  void open(Mode mode);
  void use_write_ahead_log();
  void begin(const char* sql);
  std::filesystem::path path_;
  sqlite3* handle_ = nullptr;
};

/// One statement: bound values by place from 1, result columns from 0.
class Query {
 public:
  Query(const Database& database, const std::string& sql);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& bind(int place, std::int64_t value);
  Query& bind(int place, int value) { return bind(place, static_cast<std::int64_t>(value)); }
  Query& bind(int place, double value);
  Query& bind(int place, const std::string& value);
  Query& bind_null(int place);
  /// Moves to the next row; false when there is none.
  bool step();
  /// Runs a statement that returns no rows.
  void run();

  bool null(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;

 private:
  const Database& database_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace jetcal::hpo::detail
