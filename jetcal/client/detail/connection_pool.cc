// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/detail/connection_pool.h"

#include "jetcal/base/error.h"

namespace jetcal::client::detail {

ConnectionPool::Lease ConnectionPool::lend(std::chrono::steady_clock::time_point end) {
  std::unique_lock lock(mutex_);
  const bool free = freed_.wait_until(
      lock, end, [this] { return !idle_.empty() || made_ < options_.connections; });
  if (!free)
    fail(ErrorCode::DeadlineExceeded, "none of the ", options_.connections, " connections to ",
         options_.url, " was free within ", options_.deadline.count(), " ms");
  if (idle_.empty()) {
    auto connection = std::make_unique<HttpConnection>(options_);
    idle_.reserve(static_cast<std::size_t>(made_) + 1);  // give_back() must not fail
    ++made_;
    return {*this, std::move(connection)};
  }
  std::unique_ptr<HttpConnection> connection = std::move(idle_.back());
  idle_.pop_back();
  return {*this, std::move(connection)};
}

void ConnectionPool::give_back(std::unique_ptr<HttpConnection> connection) noexcept {
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(connection));
  }
  freed_.notify_one();
}

}  // namespace jetcal::client::detail
