// SPDX-License-Identifier: Apache-2.0
// The dates that ROOT writes into figures, for runs whose files are to be the same every time.
#pragma once

#include <string>

namespace jetcal::analysis::detail {

/// Returns the text of a PDF or SVG file of ROOT with `seconds` since 1970 (UTC) as its dates. The
/// length of a PDF stays, so its table of offsets holds.
std::string with_date(std::string text, long long seconds);

/// The dates of this process's files: the variable SOURCE_DATE_EPOCH, or -1 where it is not set to
/// a number (https://reproducible-builds.org/specs/source-date-epoch).
long long source_date() noexcept;

}  // namespace jetcal::analysis::detail
