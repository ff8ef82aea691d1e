// SPDX-License-Identifier: Apache-2.0
// Flags of jetcal train for the course of a run, each named as its field of the configuration.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "jetcal/base/config.h"

namespace jetcal::cli {

/// Holds the flags' texts by field, so that a flag is checked as the field is.
struct CourseFlags {
  std::map<std::string, std::string> values;              ///< "training.gamma" -> "0.3"
  std::map<std::string, std::vector<std::string>> lists;  ///< Fields that are lists.
};

/// Adds the flags; `flags` must outlive the app.
void add_course_flags(CLI::App& app, CourseFlags& flags);

/// Overrides the fields whose flags were given.
void apply(const CourseFlags& flags, Config& config);

}  // namespace jetcal::cli
