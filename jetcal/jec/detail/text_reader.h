// SPDX-License-Identifier: Apache-2.0
// Reads JetCorrectorParameters text files.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "jetcal/jec/correction_list.h"
#include "jetcal/jec/detail/correction_tree.h"
#include "jetcal/jec/jet_corrector.h"

namespace jetcal::jec::detail {

/// Parses one text. `selection` is as the name of JetCorrector::open for text files. Throws
/// InvalidArgument or NotFound naming file and line.
std::unique_ptr<CorrectionTree> read_text(const CorrectionText& text, const std::string& selection);

/// Lists the sections of a text. Throws InvalidArgument when it has no header.
std::vector<CorrectionEntry> list_sections(const CorrectionText& text);

/// Tells whether a file is named as JSON, plain or gzip.
bool is_json_name(const std::filesystem::path& path);

/// Reads a file, unpacked if it is gzip. Throws NotFound, or DataLoss for a damaged gzip.
std::string read_maybe_gzip(const std::filesystem::path& path);

}  // namespace jetcal::jec::detail
