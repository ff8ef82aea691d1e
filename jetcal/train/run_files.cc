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
#include <sstream>
#include <string_view>
#include <system_error>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/train/tensorboard.h"

namespace jetcal::train {

namespace fs = std::filesystem;

std::string rfc3339(double wall_time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(static_cast<std::time_t>(std::floor(wall_time))));
}

namespace {

constexpr const char* kMetricsName = "metrics.txt";
constexpr const char* kEventsFolder = "tensorboard";
constexpr const char* kHistoryName = "history.json";
constexpr const char* kHistogramsFolder = "histograms";
constexpr const char* kFiguresFolder = "figures";

std::string event_of(const EpochRecord& epoch) {
  std::vector<Scalar> scalars{{"train/loss", epoch.train_loss},
                              {"validation/loss", epoch.validation_loss},
                              {"learning_rate", epoch.learning_rate},
                              {"jets_per_second", epoch.jets_per_second},
                              {"clipped_steps", static_cast<double>(epoch.clipped_steps)}};
  if (epoch.ema_validation_loss > 0) {
    scalars.push_back({"validation/raw_loss", epoch.raw_validation_loss});
    scalars.push_back({"validation/ema_loss", epoch.ema_validation_loss});
  }
  return tensorboard_record(epoch.wall_time, epoch.epoch, scalars);
}

// Tags without a slash: Katib's TensorFlowEvent collector takes what stands before one as a folder.
std::string event_of(const TestResult& test, std::int64_t step) {
  const std::array<Scalar, 3> scalars{{{"test_loss", test.loss},
                                       {"no_correction_loss", test.no_correction_loss},
                                       {"best_constant_loss", test.best_constant_loss}}};
  return tensorboard_record(test.wall_time, step, scalars) + tensorboard_success(test.wall_time);
}

constexpr std::array<std::string_view, 3> kJudgingMetrics{"test_loss", "validation/loss",
                                                          "train/loss"};

// Katib's JSON format: an object of texts a line, with the time as "timestamp".
std::string json_line(const std::string& metrics_line) {
  nlohmann::ordered_json object;
  const std::size_t space = metrics_line.find(' ');
  object["timestamp"] = metrics_line.substr(0, space);
  std::istringstream fields(metrics_line.substr(space + 1));
  for (std::string field; fields >> field;) {
    const std::size_t equal = field.find('=');
    object[field.substr(0, equal)] = field.substr(equal + 1);
  }
  return object.dump() + "\n";
}

bool is_json(const fs::path& path) {
  return path.extension() == ".json" || path.extension() == ".jsonl";
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

static std::string event_file_name(double start_time, std::int64_t epoch) {
  return fmt::format("events.out.tfevents.{:010}.jetcal",
                     static_cast<std::int64_t>(std::floor(start_time)) + epoch);
}

RunFiles::RunFiles(const fs::path& output, double start_time, nlohmann::json hyperparameters,
                   fs::path metrics_file, std::string data)
    : output_(output),
      metrics_(output / kMetricsName),
      events_(output / kEventsFolder / event_file_name(start_time, 0)),
      history_(output / kHistoryName),
      metrics_file_(std::move(metrics_file)),
      hyperparameters_(std::move(hyperparameters)),
      data_(std::move(data)),
      start_time_(start_time) {
  const auto place = [](const fs::path& path) { return fs::absolute(path).lexically_normal(); };
  if (!metrics_file_.empty() && place(metrics_file_) == place(metrics_)) metrics_file_.clear();
}

// All metrics, to both places.
void RunFiles::write_metrics(const std::vector<EpochRecord>& history,
                             const std::optional<TestResult>& test) const {
  std::vector<std::string> lines;
  lines.reserve(history.size() + 1);
  for (const EpochRecord& epoch : history) lines.push_back(metrics_line(epoch));
  if (test) lines.push_back(metrics_line(*test));
  std::string text, more;
  for (const std::string& line : lines) {
    text += line;
    more += is_json(metrics_file_) ? json_line(line) : line;
  }
  write_if_changed(metrics_, text);
  if (!metrics_file_.empty()) write_if_changed(metrics_file_, more);
}

void RunFiles::rewrite(const std::vector<EpochRecord>& history,
                       const std::optional<TestResult>& test) const {
  std::string events = tensorboard_header(start_time_) +
                       tensorboard_hyperparameters(start_time_, hyperparameters_, kJudgingMetrics);
  for (const EpochRecord& epoch : history) events += event_of(epoch);
  if (test) events += event_of(*test, static_cast<std::int64_t>(history.size()));
  write_metrics(history, test);
  write_if_changed(events_, events);
  write_history(history, test);
}

void RunFiles::add_line(const std::string& line) const {
  append(metrics_, line);
  if (!metrics_file_.empty())
    append(metrics_file_, is_json(metrics_file_) ? json_line(line) : line);
}

void RunFiles::add_epoch(const std::vector<EpochRecord>& history) const {
  add_line(metrics_line(history.back()));
  append(events_, event_of(history.back()));
  write_history(history, std::nullopt);
}

void RunFiles::add_test(const std::vector<EpochRecord>& history, const TestResult& test) const {
  add_line(metrics_line(test));
  append(events_, event_of(test, static_cast<std::int64_t>(history.size())));
  write_history(history, test);
}

fs::path RunFiles::event_file(const char* folder, std::int64_t epoch) const {
  const fs::path path = output_ / kEventsFolder / folder;
  std::error_code error;
  fs::create_directories(path, error);
  return path / event_file_name(start_time_, epoch);
}

void RunFiles::write_histograms(const EpochRecord& epoch, const models::Model& model,
                                std::span<const float> gradient) const {
  std::vector<std::pair<std::string, Histogram>> histograms;
  for (const models::TensorSlice& slice : model.layout.parameters) {
    histograms.emplace_back("weights/" + slice.name, make_histogram(model.parameter(slice.name)));
    if (gradient.empty()) continue;
    histograms.emplace_back("gradients/" + slice.name,
                            make_histogram(gradient.subspan(slice.offset, slice.size)));
  }
  // Dated by the epoch, so that an epoch done again after a kill gives the same file.
  const double time = start_time_ + static_cast<double>(epoch.epoch);
  write_file(event_file(kHistogramsFolder, epoch.epoch),
             tensorboard_header(time) + tensorboard_histograms(time, epoch.epoch, histograms));
}

void RunFiles::write_figures(const EpochRecord& epoch,
                             std::span<const std::pair<std::string, std::string>> figures) const {
  const double time = start_time_ + static_cast<double>(epoch.epoch);
  std::string events = tensorboard_header(time);
  for (const auto& [tag, png] : figures) events += tensorboard_image(time, epoch.epoch, tag, png);
  write_file(event_file(kFiguresFolder, epoch.epoch), events);
}

void RunFiles::write_history(const std::vector<EpochRecord>& history,
                             const std::optional<TestResult>& test) const {
  nlohmann::ordered_json document;
  if (!data_.empty()) document["data"] = data_;
  document["epochs"] = nlohmann::json(history);
  if (test) document["test"] = nlohmann::json(*test);
  // A folder may have any name; JSON holds UTF-8 alone.
  write_if_changed(history_,
                   document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void RunFiles::remove(const fs::path& output) {
  std::error_code ignored;
  fs::remove(output / kMetricsName, ignored);
  fs::remove(output / kHistoryName, ignored);
  for (const char* const folder : {"", kHistogramsFolder, kFiguresFolder}) {
    const fs::path events = output / kEventsFolder / folder;
    for (const fs::directory_entry& entry : fs::directory_iterator(events, ignored)) {
      if (entry.path().filename().string().starts_with("events.out.tfevents."))
        fs::remove(entry.path(), ignored);
    }
  }
}

}  // namespace jetcal::train
