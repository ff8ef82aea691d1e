// SPDX-License-Identifier: Apache-2.0
// Writes derived corrections as CMS does: JetCorrectorParameters texts and a correctionlib JSON.
#pragma once

#include <string>
#include <vector>

#include "jetcal/jec/derive.h"
#include "jetcal/jec/jet_corrector.h"

namespace jetcal::jec {

/// Returns the texts in the order in which they are applied: L1FastJet, L2Relative, L3Absolute (1),
/// L2L3Residual (1: there are no data). Names are file names, TAG_LEVEL_AK4PFchs.txt.
///
/// Throws InvalidArgument for a tag that is empty or has other than letters, digits, _ and -.
std::vector<CorrectionText> correction_texts(const Derivation& derivation, const std::string& tag);

/// Returns TAG_AK4PFchs.json, schema version 2: the four levels and the compound correction
/// TAG_L1L2L3Res_AK4PFchs, with the numbers of the texts.
CorrectionText correction_json(const Derivation& derivation, const std::string& tag);

}  // namespace jetcal::jec
