// SPDX-License-Identifier: Apache-2.0
// One sentence instead of a crash, when a damaged file crashes ROOT itself.
#pragma once

#include <filesystem>

namespace jetcal::cli {

/// Makes a crash inside ROOT end the process with one sentence that names the file, and the status
/// of damaged data. `verb` must outlive the process.
///
/// `shards`, unless empty, is the folder of an ingest: its partial files are removed, and its
/// manifest if no shard is finished.
void report_crashes(const char* verb, const std::filesystem::path& shards = {});

}  // namespace jetcal::cli
