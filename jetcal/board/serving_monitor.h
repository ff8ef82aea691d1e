// SPDX-License-Identifier: Apache-2.0
// Asks servers again and again how they do, so that a page can show the last half hour.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "jetcal/board/metrics_reader.h"
#include "jetcal/board/run_shelf.h"
#include "jetcal/http/http_client.h"

namespace jetcal::board {

/// Makes http://HOST:PORT of that, or of HOST:PORT or HOST. Throws InvalidArgument for anything
/// else; servers behind TLS are asked over a plain metrics port.
std::string parse_endpoint(const std::string& url);

/// One thread a server. Thread-safe.
class ServingMonitor {
 public:
  /// Takes what parse_endpoint() has made.
  explicit ServingMonitor(const std::vector<std::string>& urls,
                          std::chrono::milliseconds interval = std::chrono::seconds(2));
  ~ServingMonitor();
  ServingMonitor(const ServingMonitor&) = delete;
  ServingMonitor& operator=(const ServingMonitor&) = delete;

  /// All servers: state, models, and their rates over the last half hour.
  Json document() const;
  /// Servers that do not answer or whose models are not ready, with the reason.
  Json problems() const;
  /// {"url", "state"} of each.
  Json states() const;

 private:
  struct Watched {
    std::string url;
    std::string state = "waiting", message, version;
    double since = 0;  ///< Of the state.
    Json models = Json::array();
    ServerCounts counts;
    std::chrono::steady_clock::time_point counted;
    std::map<std::pair<std::string, std::string>, std::deque<RatePoint>> points;
  };

  void watch(Watched& watched);
  void look(Watched& watched, const http::Client& client);
  void take_counts(Watched& watched, const std::string& metrics);
  void set_state(Watched& watched, const std::string& state, const std::string& message);

  std::chrono::milliseconds interval_;
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Watched>> watched_;
  std::vector<std::thread> threads_;
};

}  // namespace jetcal::board
