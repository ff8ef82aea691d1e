// SPDX-License-Identifier: Apache-2.0
// Reads correctionlib JSON, schema version 2.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "jetcal/jec/detail/correction_stack.h"
#include "jetcal/jec/detail/correction_tree.h"
#include "jetcal/jec/jet_corrector.h"

namespace jetcal::jec::detail {

/// Parses the text and checks the schema version. Throws DataLoss for text that is no JSON,
/// InvalidArgument for another version, naming the file.
nlohmann::json parse_correction_set(const CorrectionText& text);

/// Makes the levels of the correction or compound correction `name`. Throws as JetCorrector::open.
std::unique_ptr<CorrectionStack> read_stack(const nlohmann::json& set, const std::string& file,
                                            const std::string& name);

/// Makes the tree of one element of "corrections". Throws InvalidArgument naming file and field.
std::unique_ptr<CorrectionTree> read_correction(const nlohmann::json& correction,
                                                const std::string& file);

}  // namespace jetcal::jec::detail
