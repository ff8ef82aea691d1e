// SPDX-License-Identifier: Apache-2.0
// Which variant the kernels run.
#pragma once

#include "jetcal/base/cpu.h"

namespace jetcal::kernels {

/// Returns the variant that kernels called now run: active_isa(), or the one a ScopedIsa forces.
Isa kernel_isa();

/// Forces a variant for the whole process while it lives, for tests and benchmarks. Not to be
/// nested or made on several threads at once.
class ScopedIsa {
 public:
  /// Throws Unimplemented when this CPU lacks the variant.
  explicit ScopedIsa(Isa isa);
  ~ScopedIsa();
  ScopedIsa(const ScopedIsa&) = delete;
  ScopedIsa& operator=(const ScopedIsa&) = delete;
};

}  // namespace jetcal::kernels
