// SPDX-License-Identifier: Apache-2.0
// Which jetcal this is.
#pragma once

namespace jetcal {

/// Returns the release, e.g. "0.1.0".
const char* version() noexcept;

/// Returns the short commit the build was configured at, with "-dirty" for uncommitted changes, or
/// "unknown".
const char* commit() noexcept;

}  // namespace jetcal
