// SPDX-License-Identifier: Apache-2.0
// What the placeholders of one step stand for in one run, and the key that follows.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

/// One artefact of an input: where it lies here, and what it holds.
struct BoundArtifact {
  std::filesystem::path path;
  std::string sha256;
  /// A path or s3://bucket/key for data from outside, "step:KEY:OUTPUT" for a step's output.
  std::string origin;
};

/// What one input of a step is.
struct BoundInput {
  Type type = Type::Artifact;
  bool absent = false;  ///< Optional, and what makes it was skipped.
  bool list = false;    ///< Files from outside, or the outputs of a step that is fanned out.
  std::vector<BoundArtifact> artifacts;
  Json value;  ///< Values.
};

/// Everything that the words of one step may name.
struct Binding {
  const Step* step = nullptr;
  std::map<std::string, Json> parameters;  ///< All of the run.
  std::map<std::string, BoundInput> inputs;
  std::optional<Json> item;
  double cores = 1;
  std::int64_t memory = 0;
  std::int64_t gpus = 0;
  std::filesystem::path work;
  int port = 0;
};

/// Expands words to a command line. A word that is one placeholder of a list becomes a word an
/// entry; a word with an absent input disappears; lists inside of a word are joined by commas.
std::vector<std::string> expand(const std::vector<Word>& words, const Binding& binding);

/// The texts of the files that the step gets, by name.
std::map<std::string, std::string> expand_files(const Binding& binding);

/// Expands the variables that the step declares, as NAME -> value.
std::map<std::string, std::string> expand_environment(const Binding& binding);

/// The value of a placeholder of a condition.
Json value_of(const Fragment& reference, const Binding& binding);

/// What decides about the result of a step: command, parameters, contents of inputs, item, outputs,
/// declared environment, service, image, binaries. Cores, paths and retries do not.
///
/// `binaries` are names and hashes of the programs that the command runs.
Json key_components(const Binding& binding, const std::map<std::string, std::string>& binaries);

/// SHA-256 of the components.
std::string key_of(const Json& components);

/// One sentence a difference, e.g. "the parameter lr is 0.002, was 0.001".
std::vector<std::string> differences(const Json& now, const Json& before);

}  // namespace jetcal::pipeline
