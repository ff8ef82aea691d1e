// SPDX-License-Identifier: Apache-2.0
// Katib's database manager on one SQLite file.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;

namespace jetcal::suggest {

/// Answers api.v1.beta1.DBManager: keeps what metrics collectors report of trials. With it a small
/// cluster needs neither MySQL nor Postgres. Messages and errors as SuggestionService. Thread-safe.
///
/// What is reported is on disk before the reply (write-ahead log, synchronised); a report that
/// comes twice is kept once.
class ObservationService {
 public:
  /// Opens the file, or makes it. Throws InvalidArgument, DataLoss or ResourceExhausted naming it.
  explicit ObservationService(const std::filesystem::path& path);
  ObservationService(const ObservationService&) = delete;
  ObservationService& operator=(const ObservationService&) = delete;

  std::string report_observation_log(std::string_view request);
  /// Ordered by time; entries at the same time in the order of their report.
  std::string get_observation_log(std::string_view request);
  std::string delete_observation_log(std::string_view request);

  /// Finite values of one metric of a trial, ordered as above.
  std::vector<double> metric_values(const std::string& trial, const std::string& metric);

 private:
  struct Entry {
    std::string time, metric, value;
  };
  struct Close {
    void operator()(sqlite3* database) const noexcept;
  };
  std::vector<Entry> read(const std::string& trial, const std::string& metric, double from,
                          double to);
  [[noreturn]] void give_up(const std::string& doing) const;

  std::filesystem::path path_;
  std::unique_ptr<sqlite3, Close> database_;
  std::mutex mutex_;
};

/// Seconds since 1970 of an RFC 3339 time such as "2026-11-23T07:30:00.5Z" or with "+01:00".
/// Throws InvalidArgument naming the text.
double parse_time(const std::string& text);

}  // namespace jetcal::suggest
