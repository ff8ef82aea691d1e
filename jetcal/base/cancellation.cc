// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/cancellation.h"

#include <utility>

namespace jetcal {

void Cancellation::request() {
  std::function<void()> reaction;
  {
    const std::lock_guard lock(mutex_);
    if (requested_.exchange(true)) return;
    reaction = std::exchange(reaction_, nullptr);
  }
  if (reaction) reaction();  // outside the lock: it may take locks of its own
}

void Cancellation::on_request(std::function<void()> reaction) {
  {
    const std::lock_guard lock(mutex_);
    if (!requested_.load()) {
      reaction_ = std::move(reaction);
      return;
    }
  }
  if (reaction) reaction();
}

}  // namespace jetcal
