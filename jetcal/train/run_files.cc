// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/run_files.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string_view>
#include <system_error>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/train/tensorboard.h"

namespace jetcal::train {

namespace fs = std::filesystem;

namespace {

constexpr const char* kMetricsName = "metrics.txt";
constexpr const char* kEventsFolder = "tensorboard";
constexpr const char* kHistoryName = "history.json";

std::string rfc3339(double wall_time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(static_cast<std::time_t>(std::floor(wall_time))));
}

std::string event_of(const EpochRecord& epoch) {
  const std::array<Scalar, 4> scalars{{{"train/loss", epoch.train_loss},
                                       {"validation/loss", epoch.validation_loss},
                                       {"learning_rate", epoch.learning_rate},
                                       {"jets_per_second", epoch.jets_per_second}}};
  return tensorboard_record(epoch.wall_time, epoch.epoch, scalars);
}

// Tags without a slash: Katib's TensorFlowEvent collector takes what stands before one as a folder.
std::string event_of(const TestResult& test, std::int64_t step) {
  const std::array<Scalar, 3> scalars{{{"test_loss", test.loss},
                                       {"no_correction_loss", test.no_correction_loss},
                                       {"best_constant_loss", test.best_constant_loss}}};
  return tensorboard_record(test.wall_time, step, scalars);
}

void append(const fs::path& path, std::string_view text) {
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  if (!out) {
    const int number = errno;
    fail(number == ENOSPC || number == EDQUOT ? ErrorCode::ResourceExhausted : ErrorCode::Internal,
         "cannot write ", path.string(), ": ", std::strerror(number));
  }
}

void write_if_changed(const fs::path& path, std::string_view content) {
  if (!fs::exists(path) || read_file(path) != content) write_file(path, content);
}

}  // namespace

std::string metrics_line(const EpochRecord& epoch) {
  return fmt::format(
      "{} epoch={} train_loss={} validation_loss={} learning_rate={} jets_per_second={:.1f}\n",
      rfc3339(epoch.wall_time), epoch.epoch, epoch.train_loss, epoch.validation_loss,
      epoch.learning_rate, epoch.jets_per_second);
}

std::string metrics_line(const TestResult& test) {
  return fmt::format("{} test_loss={} no_correction_loss={} best_constant_loss={}\n",
                     rfc3339(test.wall_time), test.loss, test.no_correction_loss,
                     test.best_constant_loss);
}

RunFiles::RunFiles(const fs::path& output, double start_time)
    : metrics_(output / kMetricsName),
      events_(output / kEventsFolder /
              fmt::format("events.out.tfevents.{:010}.jetcal",
                          static_cast<std::int64_t>(std::floor(start_time)))),
      history_(output / kHistoryName),
      start_time_(start_time) {}

void RunFiles::rewrite(const std::vector<EpochRecord>& history,
                       const std::optional<TestResult>& test) const {
  std::string metrics;
  std::string events = tensorboard_header(start_time_);
  for (const EpochRecord& epoch : history) {
    metrics += metrics_line(epoch);
    events += event_of(epoch);
  }
  if (test) {
    metrics += metrics_line(*test);
    events += event_of(*test, static_cast<std::int64_t>(history.size()));
  }
  write_if_changed(metrics_, metrics);
  write_if_changed(events_, events);
  write_history(history, test);
}

void RunFiles::add_epoch(const std::vector<EpochRecord>& history) const {
  append(metrics_, metrics_line(history.back()));
  append(events_, event_of(history.back()));
  write_history(history, std::nullopt);
}

void RunFiles::add_test(const std::vector<EpochRecord>& history, const TestResult& test) const {
  append(metrics_, metrics_line(test));
  append(events_, event_of(test, static_cast<std::int64_t>(history.size())));
  write_history(history, test);
}

void RunFiles::write_history(const std::vector<EpochRecord>& history,
                             const std::optional<TestResult>& test) const {
  nlohmann::ordered_json document;
  document["epochs"] = nlohmann::json(history);
  if (test) document["test"] = nlohmann::json(*test);
  write_if_changed(history_, document.dump(2) + "\n");
}

void RunFiles::remove(const fs::path& output) {
  std::error_code ignored;
  fs::remove(output / kMetricsName, ignored);
  fs::remove(output / kHistoryName, ignored);
  for (const fs::directory_entry& entry : fs::directory_iterator(output / kEventsFolder, ignored)) {
    if (entry.path().filename().string().starts_with("events.out.tfevents."))
      fs::remove(entry.path(), ignored);
  }
}

}  // namespace jetcal::train
