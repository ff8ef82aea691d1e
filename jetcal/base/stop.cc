// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/stop.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace jetcal {

// A signal handler can reach nothing but process-wide state.
static std::atomic<int> signals_seen{0};

static void on_signal(int number) {
  if (signals_seen.fetch_add(1) > 0) ::_exit(128 + number);
}

void handle_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() noexcept { return signals_seen.load(std::memory_order_relaxed) > 0; }

}  // namespace jetcal
