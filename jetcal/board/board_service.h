// SPDX-License-Identifier: Apache-2.0
// The board over HTTP: its page, its answers in JSON, and the rules of who may ask.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "jetcal/board/board.h"
#include "jetcal/server/http_server.h"

namespace jetcal::board {

/// Stands above an HttpServer. Answers are made by a few threads, as files are read for them.
class BoardService final : public server::HttpHandler {
 public:
  explicit BoardService(Board& board);
  /// Drops what waits; what is in work ends first.
  ~BoardService() override;

  server::BodyPlan plan_body(const server::HttpHead& head) override;
  void handle(server::HttpRequest request, server::Responder responder) override;

 private:
  struct Job {
    server::HttpRequest request;
    server::Responder responder;
  };
  void work();

  Board& board_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace jetcal::board
