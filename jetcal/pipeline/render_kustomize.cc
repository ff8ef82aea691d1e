// SPDX-License-Identifier: Apache-2.0
// A kustomize base of everything around the pipeline, and overlays for CPUs and GPUs.
#include "jetcal/pipeline/render.h"
#include "jetcal/pipeline/yaml_text.h"

namespace jetcal::pipeline {
namespace {

// What a person would train by hand with the pipeline's data.
std::vector<std::string> training_command(const RenderOptions& options) {
  const std::string data = options.bucket.empty() ? std::string(kClusterMount) + "/shards"
                                                  : "s3://" + options.bucket + "/shards";
  return {"jetcal", "train", "--data", data, "--output", "/tmp/run", "--preset", "paper-pfn"};
}

Json kustomization(const std::vector<std::string>& resources, const Json& more) {
  Json document = {{"apiVersion", "kustomize.config.k8s.io/v1beta1"}, {"kind", "Kustomization"}};
  document["resources"] = resources;
  document.update(more);
  return document;
}

// One JSON patch of a resource.
Json patch(const char* kind, const std::string& name, const Json& operations) {
  Json target = {{"kind", kind}, {"name", name}};
  return {{"target", target}, {"patch", operations.dump()}};
}

Json replace(const std::string& path, const Json& value) {
  return {{"op", "replace"}, {"path", path}, {"value", value}};
}

}  // namespace

std::map<std::string, std::string> render_kustomize(const Pipeline& pipeline,
                                                    const RenderOptions& options) {
  RenderOptions base = options;
  base.gpus = 0;
  RenderOptions gpu = options;
  gpu.gpus = options.gpus > 0 ? options.gpus : 1;
  std::map<std::string, std::string> files;
  std::vector<std::string> resources;
  const auto add = [&](const std::string& name, const Json& resource) {
    files["base/" + name] = yaml_text(resource);
    resources.push_back(name);
  };
  add("service-account.yaml", render_service_account(base));
  if (base.bucket.empty()) add("claim.yaml", render_claim(base));
  add("serving-runtime.yaml", render_serving_runtime(base));
  add("inference-service.yaml", render_inference_service(base, "optimal"));
  add("torch-runtime.yaml", render_torch_runtime(base));
  add("mpi-runtime.yaml", render_mpi_runtime(base));
  add("train-job.yaml", render_train_job(base, training_command(base)));
  if (pipeline.recurrence) add("scheduled-workflow.yaml", render_scheduled(pipeline, base));
  files["base/kustomization.yaml"] =
      yaml_text(kustomization(resources, {{"namespace", options.name_space}}));

  files["overlays/cpu/kustomization.yaml"] = yaml_text(kustomization(
      {"../../base"},
      {{"patches",
        Json::array({patch("TrainJob", "jetcal-train",
                           Json::array({replace("/spec/runtimeRef/name", "jetcal-mpi")}))})}}));
  const Json trainer = render_train_job(gpu, training_command(gpu))["spec"]["trainer"];
  const Json runtime = render_serving_runtime(gpu);
  const Json patches = Json::array(
      {patch("TrainJob", "jetcal-train",
             Json::array({replace("/spec/runtimeRef/name", "jetcal-torch"),
                          replace("/spec/trainer/command", trainer["command"]),
                          replace("/spec/trainer/args", trainer["args"]),
                          replace("/spec/trainer/resourcesPerNode", trainer["resourcesPerNode"])})),
       patch("ServingRuntime", runtime["metadata"]["name"],
             Json::array({replace("/spec/containers/0/resources",
                                  runtime["spec"]["containers"][0]["resources"])}))});
  files["overlays/gpu/kustomization.yaml"] =
      yaml_text(kustomization({"../../base"}, {{"patches", patches}}));
  return files;
}

}  // namespace jetcal::pipeline
