// SPDX-License-Identifier: Apache-2.0
// Reads pipeline files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

/// Reads and checks a pipeline file, ours or one that kfp compiled.
///
/// Throws NotFound, or InvalidArgument as "FILE:LINE:COLUMN: sentence" for the first mistake.
Pipeline load_pipeline(const std::filesystem::path& path);

/// Does the same for text; relative paths begin at `folder`.
Pipeline parse_pipeline(const std::string& text, const std::string& source,
                        const std::string& folder);

/// Reads one document in our own form. parse_pipeline() calls it; the graph is not checked yet.
Pipeline read_pipeline(const Node& document, const std::string& source, const std::string& folder);

/// The pipelines that the program holds: names, and their YAML. Throws NotFound naming those there
/// are.
std::vector<std::string> builtin_names();
const char* builtin_text(const std::string& name);

/// "30s", "5m", "1.5h", "2d" or a number of seconds. Throws InvalidArgument.
double parse_duration(const std::string& text);
/// "512Mi", "4Gi", "2G", "1000" bytes. Throws InvalidArgument.
std::int64_t parse_memory(const std::string& text);
/// "2", "0.5" or "500m" cores. Throws InvalidArgument.
double parse_cores(const std::string& text);

/// Splits a command line into words as a shell does, quotes and backslashes included; nothing is
/// expanded. Throws InvalidArgument for a quote that is not closed.
std::vector<std::string> split_words(const std::string& text);

}  // namespace jetcal::pipeline
