// SPDX-License-Identifier: Apache-2.0
// jetcal pipeline render and lint: resources of Kubernetes from a pipeline, and what is wrong with
// resources or pipelines.
#include <cstdio>
#include <iostream>

#include "jetcal/base/files.h"
#include "jetcal/base/stop.h"
#include "jetcal/cli/pipeline_parts.h"
#include "jetcal/pipeline/container_step.h"
#include "jetcal/pipeline/kfp_reader.h"
#include "jetcal/pipeline/lint.h"
#include "jetcal/pipeline/render.h"
#include "jetcal/pipeline/yaml_text.h"

namespace jetcal::cli {
namespace {

namespace fs = std::filesystem;
using pipeline::Json;

const std::vector<std::string> kFormats{"kfp",      "argo",          "scheduled",   "pytorchjob",
                                        "trainjob", "torch-runtime", "mpi-runtime", "serving",
                                        "storage",  "kustomize",     "experiment"};

std::vector<Json> render(const RenderFlags& flags, const pipeline::Pipeline& graph,
                         const pipeline::RenderOptions& options) {
  const std::string& format = flags.format;
  const std::vector<std::string> command =
      flags.command.empty() ? std::vector<std::string>{"jetcal", "train", "--help"} : flags.command;
  if (format == "kfp") return render_kfp(graph, options);
  if (format == "argo") return {render_argo(graph, options)};
  if (format == "experiment") {
    const std::string text = render_experiment(graph, options, flags.trial);
    return {to_json(pipeline::parse_documents(text, "the experiment").front())};
  }
  if (format == "scheduled") return {render_scheduled(graph, options)};
  if (format == "pytorchjob") return {render_pytorch_job(options, command)};
  if (format == "trainjob") return {render_train_job(options, command)};
  if (format == "torch-runtime") return {render_torch_runtime(options)};
  if (format == "mpi-runtime") return {render_mpi_runtime(options)};
  if (format == "serving")
    return {render_serving_runtime(options), render_inference_service(options, flags.model_name)};
  if (format == "storage") {
    std::vector<Json> documents{render_service_account(options)};
    if (options.bucket.empty()) documents.push_back(render_claim(options));
    return documents;
  }
  std::string names;
  for (const std::string& name : kFormats) names += (names.empty() ? "" : ", ") + name;
  fail(ErrorCode::InvalidArgument, "the format is one of ", names, ", got '", format, "'");
}

}  // namespace

int render_pipeline(const PipelineFlags& run, const RenderFlags& flags, bool json) {
  const pipeline::Pipeline graph = open_pipeline(run.pipeline).graph;
  pipeline::RenderOptions options = flags.options;
  const auto given = read_parameters(graph, run);
  for (const auto& [name, value] : given) {
    if (graph.find_parameter(name) == nullptr)
      fail(ErrorCode::InvalidArgument, "the pipeline ", graph.name, " has no parameter '", name,
           "'");
    check_value(*graph.find_parameter(name), value);
  }
  options.parameters = given;
  validate(options);
  if (flags.format == "kustomize") {
    if (flags.output.empty())
      fail(ErrorCode::InvalidArgument,
           "the format kustomize writes a folder and needs --output DIR");
    for (const auto& [name, text] : render_kustomize(graph, options))
      write_file(fs::path(flags.output) / name, text);
    return 0;
  }
  const std::vector<Json> documents = render(flags, graph, options);
  const std::string text =
      json ? (documents.size() == 1 ? documents.front() : Json(documents)).dump(2) + "\n"
           : pipeline::yaml_documents(documents);
  if (flags.output.empty()) {
    std::cout << text << std::flush;
  } else {
    write_file(flags.output, text);
  }
  return 0;
}

int lint_files(const std::vector<std::string>& files, bool json) {
  Json findings = Json::array();
  std::vector<Json> resources, places;
  std::int64_t pipelines = 0;
  for (const std::string& file : files) {
    const auto nodes = pipeline::parse_documents(read_file(file), file);
    const bool is_pipeline = !nodes.empty() && (nodes.front().find("format") != nullptr ||
                                                pipeline::is_kfp(nodes.front()));
    if (is_pipeline) {
      ++pipelines;
      try {
        pipeline::load_pipeline(file);
      } catch (const Error& error) {
        findings.push_back({{"file", file}, {"finding", error.what()}});
      }
      continue;
    }
    for (const auto& node : nodes) {
      const Json document = to_json(node);
      if (document.is_null()) continue;
      resources.push_back(document);
      places.push_back({{"file", file}, {"line", node.at.line}});
      for (const std::string& finding : pipeline::lint_resource(document)) {
        findings.push_back(places.back());
        findings.back()["finding"] = finding;
      }
    }
  }
  for (const auto& [which, finding] : pipeline::lint_together(resources)) {
    findings.push_back(places[which]);
    findings.back()["finding"] = finding;
  }
  if (json) {
    print_json({{"pipelines", pipelines}, {"resources", resources.size()}, {"findings", findings}});
  } else {
    for (const Json& one : findings)
      std::printf("%s: %s\n", one["file"].get<std::string>().c_str(),
                  one["finding"].get<std::string>().c_str());
    std::printf("%lld pipelines, %zu resources, %zu findings\n", static_cast<long long>(pipelines),
                resources.size(), findings.size());
  }
  return findings.empty() ? 0 : exit_status(ErrorCode::InvalidArgument);
}

int exec_step(const ExecFlags& flags) {
  pipeline::ContainerStep step;
  step.work = flags.work;
  for (const std::string& text : flags.outputs)
    step.outputs.push_back(pipeline::parse_moved_output(text));
  for (const std::string& text : flags.gathered)
    step.gathered.push_back(pipeline::parse_gathered(text, flags.inputs));
  for (const std::string& text : flags.files) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      fail(ErrorCode::InvalidArgument, "--file takes NAME=TEXT, got '", text, "'");
    step.files[text.substr(0, equals)] = text.substr(equals + 1);
  }
  step.service = flags.service;
  if (!flags.service.empty()) {
    const std::size_t slash = flags.ready.find('/');
    const std::string port = flags.ready.substr(0, slash);
    if (slash == 0 || slash == std::string::npos || slash > 5 ||
        port.find_first_not_of("0123456789") != std::string::npos)
      fail(ErrorCode::InvalidArgument, "--ready takes PORT/PATH, got '", flags.ready, "'");
    step.port = std::stoi(port);
    step.ready = flags.ready.substr(slash);
  }
  step.command = flags.command;
  return run_container_step(step, find_step_program, [] { return stop_requested(); });
}

}  // namespace jetcal::cli
