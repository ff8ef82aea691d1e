// SPDX-License-Identifier: Apache-2.0
// jetcal pipeline: the flags of its sub-verbs.
#include <cstdio>
#include <memory>

#include "jetcal/cli/pipeline_parts.h"

namespace jetcal::cli {
namespace {

struct Flags {
  PipelineFlags run;
  RenderFlags render;
  ExecFlags exec;
  std::vector<std::string> files;
  std::string run_id = "last", step, experiment, what;
  std::vector<std::string> runs;
  bool list_builtins = false;
};

void add_run_flags(CLI::App& app, PipelineFlags& flags) {
  app.add_option("pipeline", flags.pipeline,
                 "pipeline file, or paper (default), shards or simulate; a file that kfp compiled "
                 "too");
  app.add_option("--set", flags.set, "NAME=VALUE: value of a parameter; repeatable")
      ->allow_extra_args(false);
  app.add_option("--parameters", flags.parameters, "YAML file of values of parameters");
  app.add_option("--input", flags.input,
                 "NAME=PATH: files, or s3://bucket/key, in place of the pipeline's own; repeatable")
      ->allow_extra_args(false);
  app.add_option("--cores", flags.cores, "cores for all steps together [all]")
      ->check(CLI::PositiveNumber);
  app.add_option("--memory", flags.memory, "memory for all steps together, as 4Gi [what is free]");
  app.add_option("--gpus", flags.gpus, "GPUs for all steps together [0]")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--from", flags.from, "take the steps before this one as they were last");
  app.add_option("--until", flags.until, "run this step and what it needs, nothing else");
  app.add_option("--force", flags.force, "run this step though its result is there; repeatable")
      ->allow_extra_args(false);
  app.add_flag("--force-all", flags.force_all, "run every step");
  app.add_flag("--dry-run", flags.dry_run, "say what would run and why, and run nothing");
  app.add_option("--store", flags.store,
                 "s3://bucket/prefix or a folder that machines share: artefacts go there too, and "
                 "what is finished there is taken");
  app.add_option("--experiment", flags.experiment, "name that groups runs");
  app.add_option("--resume", flags.resume, "go on with this run (id, its six digits, or last)");
  app.add_flag("--serve", flags.serve, "serve the model when the run has ended, until Ctrl-C");
  app.add_option("--serve-port", flags.serve_port, "port of --serve [8000]");
  app.add_flag("--recurring", flags.recurring, "run at the times of the file's 'recurring'");
  app.add_option("--times", flags.times, "with --recurring: runs before it ends [0: no end]");
}

void add_render_flags(CLI::App& app, PipelineFlags& run, RenderFlags& flags) {
  app.add_option("pipeline", run.pipeline, "pipeline file, or paper (default), shards or simulate");
  app.add_option("--set", run.set, "NAME=VALUE: value of a parameter; repeatable")
      ->allow_extra_args(false);
  app.add_option("--parameters", run.parameters, "YAML file of values of parameters");
  app.add_option("--format", flags.format,
                 "kfp (default), argo, scheduled, pytorchjob, trainjob, torch-runtime, "
                 "mpi-runtime, serving, storage, kustomize or experiment (of Katib)");
  app.add_option("--trial", flags.trial, "of an experiment: PyTorchJob (default), TrainJob or Job");
  app.add_option("--output", flags.output, "file, or folder of kustomize [standard output]");
  pipeline::RenderOptions& options = flags.options;
  app.add_option("--namespace", options.name_space, "namespace [kubeflow-user]");
  app.add_option("--image", options.image, "image of steps and training [jetcal:latest]");
  app.add_option("--serving-image", options.serving_image,
                 "image of serving [jetcal-serve:latest or jetcal-triton:latest]");
  app.add_option("--service-account", options.service_account, "service account [jetcal]");
  app.add_option("--secret", options.secret, "Secret with the S3 credentials [jetcal-s3]");
  app.add_option("--bucket", options.bucket, "S3 bucket of data and models [none: a claim]");
  app.add_option("--endpoint", options.endpoint, "S3 endpoint [AWS]");
  app.add_option("--claim", options.claim, "PersistentVolumeClaim of the data [jetcal-data]");
  app.add_option("--storage", options.storage, "size of the claim [20Gi]");
  app.add_option("--gpus", options.gpus, "GPUs of a training worker and of serving [0]");
  app.add_option("--workers", options.workers, "workers of a distributed training [1]");
  app.add_option("--runtime", options.runtime, "of serving: jetcal (default) or triton");
  app.add_option("--min-replicas", options.min_replicas, "of serving; 0 scales to zero [1]");
  app.add_option("--max-replicas", options.max_replicas, "of serving [3]");
  app.add_option("--canary", options.canary, "percent of traffic for the newest model [all]");
  app.add_option("--model-name", flags.model_name, "name of the served model [optimal]");
  app.add_option("--command", flags.command, "words of a training job's command");
}

void add_exec_flags(CLI::App& app, ExecFlags& flags) {
  app.add_option("--work", flags.work, "folder to work in [/tmp/jetcal-work]");
  app.add_option("--output", flags.outputs, "FROM[#FIELD[/PATH]]=TO, - is what is printed")
      ->allow_extra_args(false);
  app.add_option("--inputs", flags.inputs, "folder of gathered inputs [/tmp/jetcal-inputs]");
  app.add_option(
         "--gathered", flags.gathered,
         "NAME=JSON: artefacts that ${inputs.NAME} stands for; a list, or all that KFP says")
      ->allow_extra_args(false);
  app.add_option("--file", flags.files, "NAME=TEXT: file to write first")->allow_extra_args(false);
  app.add_option("--service", flags.service, "a word of the service's command; repeatable")
      ->allow_extra_args(false);
  app.add_option("--ready", flags.ready, "PORT/PATH that answers 200 when the service is ready");
  app.add_option("command", flags.command, "command, after --")->required();
}

// What a run does is settled when it begins.
void refuse_contradictions(const CLI::App& run) {
  const auto given = [&run](const char* flag) { return run.count(flag) > 0; };
  for (const char* const flag : {"--set", "--parameters", "--input", "--recurring"}) {
    if (given("--resume") && given(flag))
      fail(ErrorCode::InvalidArgument, flag, " cannot change the run that --resume goes on with");
  }
  if (given("--times") && !given("--recurring"))
    fail(ErrorCode::InvalidArgument, "--times needs --recurring");
}

// Takes --config's fields for flags that are not given.
void fill(const CLI::App& app, const CommonOptions& common, PipelineFlags& flags) {
  const Config config = load_config(common);
  fill_from_config(app, config, "directory", flags.directory);
  fill_from_config(app, config, "store", flags.store);
  fill_from_config(app, config, "set", flags.set);
  fill_from_config(app, config, "parameters", flags.parameters);
  fill_from_config(app, config, "input", flags.input);
  fill_from_config(app, config, "cores", flags.cores);
  fill_from_config(app, config, "memory", flags.memory);
  fill_from_config(app, config, "gpus", flags.gpus);
  fill_from_config(app, config, "experiment", flags.experiment);
  fill_from_config(app, config, "serve-port", flags.serve_port);
  const std::string configured = config.get<std::string>("pipeline", flags.pipeline);
  if (flags.pipeline.empty()) flags.pipeline = configured;
  config.reject_unknown();
}

using Work = std::function<int()>;

Work set_up(CLI::App& app, CommonOptions& common) {
  const auto flags = std::make_shared<Flags>();  // outlives this call, with the app
  app.require_subcommand(1);
  const auto sub = [&](const char* name, const char* text) {
    CLI::App* const command = app.add_subcommand(name, text)->fallthrough();
    command->add_option("--directory", flags->run.directory,
                        "folder of artefacts and runs [pipeline]");
    return command;
  };
  CLI::App* const run = sub("run", "run a pipeline here; what is there already is taken");
  add_run_flags(*run, flags->run);
  CLI::App* const show = sub("show", "print a pipeline, as a start for an own one");
  show->add_option("pipeline", flags->run.pipeline, "built-in pipeline or file [paper]");
  CLI::App* const render = sub("render", "write resources of Kubernetes");
  add_render_flags(*render, flags->run, flags->render);
  CLI::App* const lint = sub("lint", "check pipelines and resources of Kubernetes");
  lint->add_option("files", flags->files, "YAML files")->required();
  CLI::App* const exec = app.add_subcommand("exec", "run a step inside of a container");
  add_exec_flags(*exec, flags->exec);
  CLI::App* const list = sub("list", "list the runs");
  list->add_option("--experiment", flags->experiment, "only those of this experiment");
  CLI::App* const status = sub("status", "say how far a run is");
  status->add_option("run", flags->run_id, "run [last]");
  CLI::App* const why = sub("why", "say why a step ran or was taken");
  why->add_option("step", flags->step, "step")->required();
  why->add_option("--run", flags->run_id, "run [last]");
  CLI::App* const compare = sub("compare", "put runs beside each other");
  compare->add_option("runs", flags->runs, "two runs or more")->required()->expected(2, 100);
  CLI::App* const lineage = sub("lineage", "follow a file back to data and commit");
  lineage->add_option("what", flags->what, "file, folder, SHA-256, key or RUN/STEP/OUTPUT")
      ->required();
  lineage->add_option("--store", flags->run.store, "looks in the records of this place too");
  CLI::App* const log = sub("log", "print the log of a step");
  log->add_option("step", flags->step, "step")->required();
  log->add_option("--run", flags->run_id, "run [last]");
  return [=, &common]() -> int {
    const std::string& directory = flags->run.directory;
    if (run->parsed()) {
      refuse_contradictions(*run);
      fill(*run, common, flags->run);
      return run_pipeline_verb(flags->run, common.json);
    }
    load_config(common).reject_unknown();  // the others have no fields of their own
    if (show->parsed()) {
      std::fputs(open_pipeline(flags->run.pipeline).text.c_str(), stdout);
      return 0;
    }
    if (render->parsed()) return render_pipeline(flags->run, flags->render, common.json);
    if (lint->parsed()) return lint_files(flags->files, common.json);
    if (exec->parsed()) return exec_step(flags->exec);
    if (list->parsed()) return show_runs(directory, flags->experiment, common.json);
    if (status->parsed()) return show_status(directory, flags->run_id, common.json);
    if (why->parsed()) return show_why(directory, flags->run_id, flags->step, common.json);
    if (compare->parsed()) return show_comparison(directory, flags->runs, common.json);
    if (lineage->parsed())
      return show_lineage(directory, flags->run.store, flags->what, common.json);
    return show_log(directory, flags->run_id, flags->step);
  };
}

}  // namespace

Verb make_pipeline_verb() {
  return {"pipeline", "Runs steps that depend on each other, or writes them for Kubeflow.", set_up};
}

}  // namespace jetcal::cli
