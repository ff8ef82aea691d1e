// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "jetcal/base/error.h"

namespace jetcal::server::detail {
namespace {

constexpr std::chrono::microseconds kTurn{50}, kTurnAlone{1000};

}  // namespace

Mailbox::Mailbox() : wake_fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (wake_fd < 0)
    fail(ErrorCode::ResourceExhausted, "cannot make an eventfd: ", std::strerror(errno));
}

Mailbox::~Mailbox() { ::close(wake_fd); }

void Mailbox::post(Letter letter) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = letters_.empty();
    letters_.push_back(std::move(letter));
  }
  if (first && std::this_thread::get_id() != owner) wake();
}

std::vector<Letter> Mailbox::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(letters_, {});
}

void Mailbox::wake() const noexcept {
  const std::uint64_t one = 1;
  // A full counter means that the loop is awake already.
  [[maybe_unused]] const auto written = ::write(wake_fd, &one, sizeof one);
}

std::chrono::nanoseconds Mailbox::take_turn() noexcept {
  const bool alone = std::this_thread::get_id() == owner && std::exchange(alone_, false);
  return alone ? kTurnAlone : kTurn;
}

void Mailbox::clear_wake() const noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_fd, &count, sizeof count);
}

}  // namespace jetcal::server::detail
