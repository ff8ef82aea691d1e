// SPDX-License-Identifier: Apache-2.0
// Lends connections to threads, one at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "jetcal/client/detail/http_connection.h"

namespace jetcal::client::detail {

class ConnectionPool {
 public:
  explicit ConnectionPool(const ClientOptions& options) : options_(options) {}

  /// A connection that goes back to the pool at the end.
  class Lease {
   public:
    Lease(ConnectionPool& pool, std::unique_ptr<HttpConnection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    ~Lease() { pool_.give_back(std::move(connection_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    HttpConnection& operator*() const noexcept { return *connection_; }
    HttpConnection* operator->() const noexcept { return connection_.get(); }

   private:
    ConnectionPool& pool_;
    std::unique_ptr<HttpConnection> connection_;
  };

  /// Waits for a free connection. Throws DeadlineExceeded when there is none until `end`.
  Lease lend(std::chrono::steady_clock::time_point end);

 private:
  void give_back(std::unique_ptr<HttpConnection> connection) noexcept;

  const ClientOptions& options_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<HttpConnection>> idle_;  // the one used last is used next
  int made_ = 0;
};

}  // namespace jetcal::client::detail
