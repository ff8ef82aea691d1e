// SPDX-License-Identifier: Apache-2.0
// Tells Kubeflow Trainer how far a training is, where Trainer asks for it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "jetcal/http/http_client.h"
#include "jetcal/train/history.h"

namespace jetcal::train {

/// Where and with what Trainer (KEP-2779, TrainJob progress) wants status.
struct StatusEndpoint {
  std::string url;         ///< KUBEFLOW_TRAINER_SERVER_URL.
  std::string token_file;  ///< KUBEFLOW_TRAINER_SERVER_TOKEN: bearer token; "": none.
  std::string ca_file;     ///< KUBEFLOW_TRAINER_SERVER_CA_CERT: of the server; "": the system's.
};

/// Reads the three variables; nothing without the first.
std::optional<StatusEndpoint> status_endpoint();

/// What became of the pushes.
struct StatusReport {
  std::int64_t sent = 0;        ///< Answered with 2xx.
  std::int64_t failed = 0;      ///< Not.
  std::int64_t superseded = 0;  ///< Never sent: a newer one came before.
  std::string error;            ///< The first failure.
};

/// Returns {"trainerStatus": {"progressPercentage", "estimatedRemainingSeconds", "metrics",
/// "lastUpdatedTime"}} as Trainer takes it. `done` is the part from 0 to 1 of the training,
/// `remaining_seconds` is negative where nothing is known, metrics of `epoch` and `test` where they
/// are there.
std::string status_document(double done, double remaining_seconds,
                            const std::optional<EpochRecord>& epoch,
                            const std::optional<TestResult>& test, double now);

/// Sends status from a thread of its own, the newest alone, so that a server that is slow, dead or
/// refusing never holds up training. Failures are counted, not thrown. Not thread-safe.
class StatusPush {
 public:
  /// `epochs` is the number of all epochs of the run.
  StatusPush(StatusEndpoint endpoint, std::int64_t epochs);
  /// Waits for a push that is on its way; a push takes at most 5 seconds.
  ~StatusPush();
  StatusPush(const StatusPush&) = delete;
  StatusPush& operator=(const StatusPush&) = delete;

  /// Tells of progress within an epoch, at most every few seconds; cheap.
  void on_batch(double epochs_done);
  void on_epoch(const EpochRecord& epoch);
  void on_test(const TestResult& test);
  /// Sends what waits, and says what became of all. Nothing can be told afterwards.
  StatusReport finish();

 private:
  void tell(double done, bool must_arrive);
  void work();
  std::string send(const std::string& document) const;

  const StatusEndpoint endpoint_;
  const http::Client client_;
  const std::int64_t epochs_;
  const double start_;
  double first_done_ = -1, last_told_ = 0;  // of this process, which may have resumed
  std::optional<EpochRecord> epoch_;
  std::optional<TestResult> test_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;  // the newest status, until it is on its way
  bool ending_ = false;
  StatusReport report_;
  std::thread thread_;
};

}  // namespace jetcal::train
