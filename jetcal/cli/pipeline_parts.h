// SPDX-License-Identifier: Apache-2.0
// The parts of `jetcal pipeline`.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "jetcal/cli/verb.h"
#include "jetcal/pipeline/pipeline_file.h"
#include "jetcal/pipeline/render.h"
#include "jetcal/pipeline/runner.h"

namespace jetcal::cli {

/// Flags of `run`; `why` and `render` share the first ones.
struct PipelineFlags {
  std::string pipeline;                 ///< A file or the name of a built-in one.
  std::string directory = "pipeline";   ///< Artefacts and runs.
  std::string store;                    ///< s3://bucket/prefix that machines share; "": none.
  std::vector<std::string> set, input;  ///< NAME=VALUE, NAME=PATH.
  std::string parameters;               ///< YAML file of values.
  double cores = 0;                     ///< 0: every core.
  std::string memory;                   ///< "": what the machine has free.
  std::int64_t gpus = 0;
  std::string from, until, experiment, resume;
  std::vector<std::string> force;
  bool force_all = false, dry_run = false, serve = false, recurring = false;
  int serve_port = 8000;
  std::int64_t times = 0;  ///< Of --recurring: runs before it ends, 0: for ever.
};

/// Flags of `render`.
struct RenderFlags {
  std::string format = "kfp", output, model_name = "optimal", trial = "PyTorchJob";
  std::vector<std::string> command;  ///< Of training jobs.
  pipeline::RenderOptions options;
};

/// Flags of `exec`, which rendered containers start.
struct ExecFlags {
  std::string work = "/tmp/jetcal-work", inputs = "/tmp/jetcal-inputs", ready;
  std::vector<std::string> outputs, gathered, files, service, command;
};

/// A pipeline and its text.
struct OpenedPipeline {
  pipeline::Pipeline graph;
  std::string text;
};

/// Opens a file, or a built-in pipeline where no file has the name; "" is `paper`.
OpenedPipeline open_pipeline(const std::string& name);

/// Reads --parameters and --set. Throws InvalidArgument for what the pipeline does not have.
std::map<std::string, pipeline::Json> read_parameters(const pipeline::Pipeline& graph,
                                                      const PipelineFlags& flags);

/// The program of a command line: `jetcal VERB` is this installation's, and the binary that holds
/// the verb decides about the result; everything else is found on the PATH.
pipeline::Program find_step_program(const std::vector<std::string>& command);

/// Runs, prints, returns the exit status.
int run_pipeline_verb(const PipelineFlags& flags, bool json);

/// Writes resources of Kubernetes to --output or standard output.
int render_pipeline(const PipelineFlags& run, const RenderFlags& flags, bool json);
/// The step with the role "tune" as an Experiment of Katib, in YAML, whose trials are of the kind
/// `trial`. Its artefacts are expected under the names of its inputs in the bucket or the claim.
/// Throws InvalidArgument where no step is a search, and as hpo::katib_experiment.
std::string render_experiment(const pipeline::Pipeline& graph,
                              const pipeline::RenderOptions& options, const std::string& trial);
/// Checks pipelines and resources; status 2 where there is anything to find.
int lint_files(const std::vector<std::string>& files, bool json);
int exec_step(const ExecFlags& flags);

int show_runs(const std::string& directory, const std::string& experiment, bool json);
int show_status(const std::string& directory, const std::string& run, bool json);
int show_why(const std::string& directory, const std::string& run, const std::string& step,
             bool json);
int show_comparison(const std::string& directory, const std::vector<std::string>& runs, bool json);
int show_lineage(const std::string& directory, const std::string& store, const std::string& what,
                 bool json);
int show_log(const std::string& directory, const std::string& run, const std::string& step);

}  // namespace jetcal::cli
