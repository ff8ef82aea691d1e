// SPDX-License-Identifier: Apache-2.0
// The cards that are compiled in.
#pragma once

#include <span>

namespace jetcal::sim {

/// Returns the text of cards/cms_run2.yaml.
const char* default_card() noexcept;

/// A text file of cards/jec.
struct CorrectionCard {
  const char* name;
  const char* text;
};

/// Returns the levels of the correction of jetPt, in their order.
std::span<const CorrectionCard> correction_cards() noexcept;

}  // namespace jetcal::sim
