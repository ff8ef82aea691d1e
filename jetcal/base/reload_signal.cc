// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/reload_signal.h"

#include <signal.h>

#include <atomic>

namespace jetcal {

// A signal handler can reach nothing but process-wide state.
static std::atomic<bool> reload_asked{false};

static void on_hangup(int) { reload_asked.store(true); }

void handle_reload_signal() {
  struct sigaction action {};
  action.sa_handler = on_hangup;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGHUP, &action, nullptr);
}

bool take_reload_request() noexcept { return reload_asked.exchange(false); }

}  // namespace jetcal
