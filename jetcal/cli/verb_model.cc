// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/verb.h"

namespace jetcal::cli {

Verb make_model_verb() { return {}; }

}  // namespace jetcal::cli
