// SPDX-License-Identifier: Apache-2.0
// A step's command inside of a container, where every writer has placeholders of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

/// How a writer names things.
struct Placeholders {
  std::function<std::string(const std::string&)> parameter;  ///< Of the pipeline.
  std::function<std::string(const InputPort&)> input;        ///< Path or value.
  std::function<std::string(const OutputPort&)> output;      ///< Path that the cluster reads.
  std::function<std::string(const std::string&)> item;       ///< Field, or "".
  /// What tells `jetcal pipeline exec` the artefacts of an input that gathers those of a loop.
  std::function<std::string(const InputPort&)> gathered;
  /// Names of the inputs of the step that gather artefacts.
  std::set<std::string> gathering;
};

/// Where commands work inside of a container.
inline constexpr const char* kContainerWork = "/tmp/jetcal-work";
inline constexpr int kContainerPort = 8000;
/// Output parameter of an instance of a loop: its pod, which names its artefacts.
inline constexpr const char* kContainerPod = "jetcal-pod";

/// Stands in rendered words for the paths of gathered artefacts, which only the container knows.
std::string gathered_word(const std::string& input);

/// Names of the inputs that gather the artefacts of a loop.
std::set<std::string> gathering_inputs(const Pipeline& pipeline, const Step& step);

/// The whole command line. Where the step has a service, fixed paths, outputs that it prints, or
/// gathers artefacts, `jetcal pipeline exec` stands in front and brings them to where the cluster
/// looks.
std::vector<std::string> container_command(const Step& step, const Placeholders& names);

/// The same for a variable of the environment.
std::string container_word(const Step& step, const Word& word, const Placeholders& names);

/// Parameters of the pipeline that the step's words and condition name, in the pipeline's order.
std::vector<std::string> used_parameters(const Pipeline& pipeline, const Step& step);

/// Fields of the item that the step's words and condition name; "" is the whole item.
std::set<std::string> used_item_fields(const Step& step);

/// Rounded, and 1 at least where time is asked for: clusters count in seconds and refuse 0.
std::int64_t whole_seconds(double seconds);

/// "4Gi" or "500M" of bytes; "1500m" or "2" of cores.
std::string memory_text(std::int64_t bytes);
std::string cores_text(double cores);

}  // namespace jetcal::pipeline
