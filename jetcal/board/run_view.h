// SPDX-License-Identifier: Apache-2.0
// A run as the page shows it: a line of a list, or everything with its graph.
#pragma once

#include <functional>
#include <string>

#include "jetcal/board/run_shelf.h"

namespace jetcal::board {

/// One line: id, state, times, parameters, and the state of every step. `store` is the id of the
/// pipeline folder.
Json run_line(const RunStory& story, const std::string& store);

/// Finds what the board shows of an artefact: {"kind", "id"} or null.
using FindArtifact = std::function<Json(const std::string& sha256)>;

/// Everything of a run but logs: steps with reasons, times and outputs, and the graph of its
/// pipeline, or under "graph_error" why there is none.
Json run_document(const RunStory& story, const std::string& store, const FindArtifact& artifact);

/// The file of a step's log, inside of the run's folder. Throws NotFound for an unknown step and
/// for one that wrote none here.
std::filesystem::path log_of(const RunStory& story, const std::string& step);

/// The last lines that are not empty of a step's log, as they tell why it failed; "" where there is
/// no log.
std::string last_words(const RunStory& story, const std::string& step);

/// Sends SIGTERM to the process that works on the run, after making sure that it does.
/// Throws FailedPrecondition when no process of this machine does.
void cancel_run(const RunStory& story);

}  // namespace jetcal::board
