// SPDX-License-Identifier: Apache-2.0
// The search of a pipeline as an Experiment of Katib.
#include "jetcal/base/error.h"
#include "jetcal/cli/pipeline_parts.h"
#include "jetcal/cli/tune_config.h"
#include "jetcal/pipeline/binding.h"

namespace jetcal::cli {
namespace {

const pipeline::Step& search_of(const pipeline::Pipeline& graph) {
  for (const pipeline::Step& step : graph.steps)
    if (step.role == "tune") return step;
  fail(ErrorCode::InvalidArgument, graph.source, ": no step has the role 'tune'");
}

// Artefacts lie under their input's name, in the bucket or on the claim.
pipeline::Binding bind_to_cluster(const pipeline::Pipeline& graph, const pipeline::Step& step,
                                  const pipeline::RenderOptions& options) {
  pipeline::Binding binding;
  binding.step = &step;
  for (const pipeline::Parameter& parameter : graph.parameters) {
    const auto given = options.parameters.find(parameter.name);
    if (given == options.parameters.end() && !parameter.fallback)
      fail(ErrorCode::InvalidArgument, "the parameter ", parameter.name, " needs --set ",
           parameter.name, "=VALUE");
    binding.parameters[parameter.name] =
        given == options.parameters.end() ? *parameter.fallback : given->second;
  }
  binding.cores = step.resources.cores;
  binding.memory = step.resources.memory;
  binding.gpus = options.gpus;
  for (const pipeline::InputPort& port : step.inputs) {
    if (!pipeline::is_artifact(port.type)) {
      fail(ErrorCode::InvalidArgument, "the step ", step.name, " takes the value '", port.name,
           "' of another step, which an Experiment cannot know");
    }
    const std::string folder =
        options.bucket.empty() ? pipeline::kClusterMount : "s3://" + options.bucket;
    pipeline::BoundInput& input = binding.inputs[port.name];
    input.type = port.type;
    input.artifacts.push_back({.path = folder + "/" + port.name, .sha256 = {}, .origin = {}});
  }
  return binding;
}

void place_trials(const pipeline::RenderOptions& options, const std::string& trial,
                  hpo::KatibOptions& katib) {
  katib.name_space = options.name_space;
  if (katib.image.empty()) katib.image = options.image;
  katib.trial = hpo::parse_katib_trial(trial);
  katib.workers = options.workers;
  katib.gpus = options.gpus;
  if (katib.trial == hpo::KatibTrial::TrainJob) {
    // It mounts the claim, and trains on CPUs as well; Katib would watch the wrong pod of
    // jetcal-mpi.
    katib.runtime = "jetcal-torch";
    katib.runtime_kind = "TrainingRuntime";
  } else {
    katib.service_account = options.service_account;
    if (options.bucket.empty())
      katib.volumes.push_back(
          {.claim = options.claim, .path = pipeline::kClusterMount, .read_only = true});
  }
  if (options.bucket.empty()) return;
  katib.secret = options.secret;
  if (!options.endpoint.empty()) katib.environment["AWS_ENDPOINT_URL"] = options.endpoint;
}

}  // namespace

std::string render_experiment(const pipeline::Pipeline& graph,
                              const pipeline::RenderOptions& options, const std::string& trial) {
  const pipeline::Step& step = search_of(graph);
  if (step.files.size() != 1) {
    fail(ErrorCode::InvalidArgument, graph.source, ": the step ", step.name,
         " must write one file, the configuration of jetcal tune, and writes ", step.files.size());
  }
  const auto [name, text] = *expand_files(bind_to_cluster(graph, step, options)).begin();
  TuneConfig config = read_tune_config(Config::parse(text, graph.source + ": " + name));
  place_trials(options, trial, config.katib);
  return katib_manifest(config);
}

}  // namespace jetcal::cli
