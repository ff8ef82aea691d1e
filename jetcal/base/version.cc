// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/version.h"

namespace jetcal {

const char* version() noexcept { return JETCAL_VERSION; }
const char* commit() noexcept { return JETCAL_COMMIT; }

}  // namespace jetcal
