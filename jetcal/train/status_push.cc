// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/status_push.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "jetcal/train/run_files.h"

namespace jetcal::train {
namespace {

constexpr std::chrono::seconds kPushLimit{5};  // one push
constexpr double kBetweenSeconds = 10;         // pushes within an epoch
constexpr std::size_t kShown = 200;            // of a refusal

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
}

}  // namespace

std::optional<StatusEndpoint> status_endpoint() {
  StatusEndpoint endpoint{variable("KUBEFLOW_TRAINER_SERVER_URL"),
                          variable("KUBEFLOW_TRAINER_SERVER_TOKEN"),
                          variable("KUBEFLOW_TRAINER_SERVER_CA_CERT")};
  if (endpoint.url.empty()) return std::nullopt;
  return endpoint;
}

std::string status_document(double done, double remaining_seconds,
                            const std::optional<EpochRecord>& epoch,
                            const std::optional<TestResult>& test, double now) {
  nlohmann::ordered_json status;
  status["progressPercentage"] =
      static_cast<int>(std::clamp(std::floor(100 * done + 1e-9), 0.0, 100.0));
  if (remaining_seconds >= 0)
    status["estimatedRemainingSeconds"] = static_cast<std::int64_t>(std::ceil(remaining_seconds));
  nlohmann::ordered_json metrics = nlohmann::ordered_json::array();
  const auto add = [&metrics](const char* name, double value) {
    metrics.push_back({{"name", name}, {"value", fmt::format("{}", value)}});
  };
  if (epoch) {
    add("epoch", static_cast<double>(epoch->epoch));
    add("train_loss", epoch->train_loss);
    add("validation_loss", epoch->validation_loss);
    add("learning_rate", epoch->learning_rate);
    add("jets_per_second", epoch->jets_per_second);
  }
  if (test) {
    add("test_loss", test->loss);
    add("no_correction_loss", test->no_correction_loss);
    add("best_constant_loss", test->best_constant_loss);
  }
  if (!metrics.empty()) status["metrics"] = metrics;
  status["lastUpdatedTime"] = rfc3339(now);
  return nlohmann::ordered_json{{"trainerStatus", status}}.dump();
}

StatusPush::StatusPush(StatusEndpoint endpoint, std::int64_t epochs)
    : endpoint_(std::move(endpoint)),
      client_({}, {endpoint_.ca_file}),
      epochs_(std::max<std::int64_t>(epochs, 1)),
      start_(now()) {
  thread_ = std::thread([this] { work(); });
}

StatusPush::~StatusPush() {
  {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
  }
  finish();
}

void StatusPush::on_batch(double epochs_done) {
  if (now() - last_told_ < kBetweenSeconds) return;
  tell(epochs_done / static_cast<double>(epochs_), /*must_arrive=*/false);
}

void StatusPush::on_epoch(const EpochRecord& epoch) {
  epoch_ = epoch;
  tell(static_cast<double>(epoch.epoch) / static_cast<double>(epochs_), /*must_arrive=*/true);
}

void StatusPush::on_test(const TestResult& test) {
  test_ = test;
  tell(1, /*must_arrive=*/true);
}

void StatusPush::tell(double done, bool must_arrive) {
  last_told_ = now();
  if (first_done_ < 0) first_done_ = done;
  const double progress = done - first_done_;
  const double remaining = done >= 1       ? 0
                           : progress <= 0 ? -1
                                           : (last_told_ - start_) * (1 - done) / progress;
  std::string document = status_document(done, remaining, epoch_, test_, last_told_);
  const std::lock_guard lock(mutex_);
  if (!waiting_.empty()) {
    if (!must_arrive) return;
    ++report_.superseded;
  }
  waiting_ = std::move(document);
  changed_.notify_one();
}

StatusReport StatusPush::finish() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  return report_;
}

void StatusPush::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::string document = std::exchange(waiting_, {});
    lock.unlock();
    const std::string failure = send(document);
    lock.lock();
    if (failure.empty()) {
      ++report_.sent;
      continue;
    }
    if (report_.failed++ == 0) report_.error = failure;
  }
}

std::string StatusPush::send(const std::string& document) const {
  http::Request request;
  request.method = "POST";
  request.url = endpoint_.url;
  request.headers = {"Content-Type: application/json"};
  // Read each time: the kubelet replaces it before it expires.
  if (!endpoint_.token_file.empty())
    request.headers.push_back("Authorization: Bearer " + first_line(endpoint_.token_file));
  request.body = document;
  request.limit = kPushLimit;
  request.most_kept = kShown;
  request.direct = true;
  const http::Answer answer = client_.send(request);
  if (answer.failure != http::Failure::None) return answer.reason;
  if (answer.status >= 200 && answer.status < 300) return "";
  return fmt::format("status {}{}{}", answer.status, answer.body.empty() ? "" : ": ", answer.body);
}

}  // namespace jetcal::train
