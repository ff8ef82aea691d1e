// SPDX-License-Identifier: Apache-2.0
// Looks back: runs and their states, what differs between them, where an artefact comes from.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "jetcal/pipeline/store.h"

namespace jetcal::pipeline {

/// A run as its files tell it.
struct RunSummary {
  std::string run, pipeline, experiment, created;
  std::string state;    ///< running, finished, failed, cancelled, or cut: it was killed.
  std::string message;  ///< The first failure.
  double seconds = 0;   ///< Of its last go.
  Json parameters;
  Json inputs;
  Json steps;  ///< By name: the last event of each.
  std::string folder;
};

/// All runs, newest first; those of one experiment where it is given.
std::vector<RunSummary> list_runs(const Store& store, const std::string& experiment = "");

/// One run by its id, by the six digits at its end, or "last". Throws NotFound.
RunSummary find_run(const Store& store, const std::string& id);

Json to_json(const RunSummary& run);

/// Puts runs beside each other: parameters that differ, and for every step state, key, values,
/// hashes of artefacts and seconds.
Json compare_runs(const Store& store, const std::vector<std::string>& ids);

/// Follows an artefact back to data files and commits.
///
/// `what` is a file or folder anywhere, found by its content; a SHA-256; RUN/STEP/OUTPUT; or the
/// key of a step. Throws NotFound for what no step here has made.
Json lineage(const Store& store, const std::string& what);

}  // namespace jetcal::pipeline
