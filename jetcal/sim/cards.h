// SPDX-License-Identifier: Apache-2.0
// The YAML cards that are compiled in.
#pragma once

namespace jetcal::sim {

/// Returns the text of cards/cms_run2.yaml.
const char* default_card() noexcept;
/// Returns the text of cards/correction.yaml.
const char* correction_card() noexcept;

}  // namespace jetcal::sim
