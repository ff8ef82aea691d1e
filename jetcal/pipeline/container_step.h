// SPDX-License-Identifier: Apache-2.0
// Runs one step inside of a container of a cluster: the other half of what the writers render.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "jetcal/pipeline/runner.h"

namespace jetcal::pipeline {

/// One output and where the cluster reads it.
struct MovedOutput {
  std::string from;   ///< Path in the work folder; "-": what the command printed.
  std::string field;  ///< Dotted name in that JSON document; empty: the whole.
  std::string path;   ///< Below the folder that the field names; empty: the field is a value.
  std::filesystem::path to;
};

/// Reads "FROM[#FIELD[/PATH]]=TO". Throws InvalidArgument.
MovedOutput parse_moved_output(const std::string& text);

/// The artefacts of all items of a loop, in their order, which words name as `${inputs.NAME}`.
struct GatheredInput {
  std::string name;
  std::vector<std::filesystem::path> paths;
};

/// Reads "NAME=JSON": a list of paths, relative ones below `folder`/NAME, each a text or the field
/// "pod" of an object (Argo); or the whole input of an executor (Kubeflow Pipelines).
/// Throws InvalidArgument for anything else.
GatheredInput parse_gathered(const std::string& text, const std::filesystem::path& folder);

struct ContainerStep {
  std::filesystem::path work;
  std::vector<MovedOutput> outputs;
  std::vector<GatheredInput> gathered;       ///< What command, service, files and environment name.
  std::map<std::string, std::string> files;  ///< Written into the work folder first.
  std::vector<std::string> service;
  int port = 0;
  std::string ready;  ///< Path that answers 200 when the service is ready.
  std::vector<std::string> command;
};

/// Runs the command in the work folder, with the service beside it, then moves the outputs.
///
/// Gathered artefacts reach words as in a run here: a word of one name alone becomes a word an
/// artefact, inside of a word they are joined by commas.
/// Returns the command's exit status; 0 only when every output is in its place. Throws NotFound for
/// a missing program or output, Cancelled when `should_stop` says so.
int run_container_step(const ContainerStep& step, const FindProgram& find_program,
                       const std::function<bool()>& should_stop);

}  // namespace jetcal::pipeline
