// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/isa.h"

#include <atomic>

#include "jetcal/base/error.h"

namespace jetcal::kernels {
namespace {

constexpr int kNotForced = -1;
std::atomic<int> forced_isa{kNotForced};

}  // namespace

Isa kernel_isa() {
  const int forced = forced_isa.load(std::memory_order_relaxed);
  return forced == kNotForced ? active_isa() : static_cast<Isa>(forced);
}

ScopedIsa::ScopedIsa(Isa isa) {
  if (!cpu_supports(isa)) fail(ErrorCode::Unimplemented, "this CPU has no ", isa_name(isa));
  JETCAL_DCHECK(forced_isa.load() == kNotForced);
  forced_isa.store(static_cast<int>(isa));
}

ScopedIsa::~ScopedIsa() { forced_isa.store(kNotForced); }

}  // namespace jetcal::kernels
