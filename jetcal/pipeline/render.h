// SPDX-License-Identifier: Apache-2.0
// Writes a pipeline as resources of Kubernetes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {

/// What a cluster needs to know beside the pipeline.
struct RenderOptions {
  std::map<std::string, Json> parameters;  ///< Given ones; the others have their default.
  std::string name_space = "kubeflow-user";
  std::string image = "jetcal:latest";  ///< Of steps that name none.
  std::string serving_image;            ///< "": jetcal-serve:latest, or jetcal-triton:latest.
  std::string service_account = "jetcal";
  std::string secret = "jetcal-s3";   ///< Holds AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
  std::string bucket;                 ///< S3; empty: a claim holds the data.
  std::string endpoint;               ///< Of S3, http(s)://host:port; empty: AWS.
  std::string claim = "jetcal-data";  ///< PersistentVolumeClaim.
  std::string storage = "20Gi";       ///< Asked for by the claim.
  std::int64_t gpus = 0;              ///< Of a training worker.
  std::int64_t workers = 1;           ///< Processes of a distributed training.
  std::string runtime = "jetcal";     ///< Of serving: jetcal or triton.
  std::int64_t min_replicas = 1;      ///< 0: scale to zero (Knative).
  std::int64_t max_replicas = 3;
  std::int64_t canary = 0;  ///< Percent of traffic for the newest model; 0: all.
  std::string experiment;
};

/// Where containers see the claim with the data.
inline constexpr const char* kClusterMount = "/mnt/data";

/// Throws InvalidArgument for a name, count or percentage that no cluster takes.
void validate(const RenderOptions& options);

/// Kubeflow Pipelines IR, PipelineSpec 2.1.0: the spec, and behind it the platform document where
/// steps take secrets. Throws Unimplemented naming the step for what kfp cannot express.
std::vector<Json> render_kfp(const Pipeline& pipeline, const RenderOptions& options);

/// An Argo Workflow of the same steps.
Json render_argo(const Pipeline& pipeline, const RenderOptions& options);

/// A ScheduledWorkflow of Kubeflow Pipelines with that workflow. Throws InvalidArgument where the
/// file has no `recurring`.
Json render_scheduled(const Pipeline& pipeline, const RenderOptions& options);

/// Training jobs of one command line (`jetcal train ...`). A TrainJob on CPUs starts it by mpirun.
Json render_pytorch_job(const RenderOptions& options, const std::vector<std::string>& command);
Json render_train_job(const RenderOptions& options, const std::vector<std::string>& command);
/// Runtimes that TrainJobs name: torchrun's environment (NCCL on GPUs), or MPI on CPUs.
Json render_torch_runtime(const RenderOptions& options);
Json render_mpi_runtime(const RenderOptions& options);

/// Serving: the runtime, and the service that uses it.
Json render_serving_runtime(const RenderOptions& options);
Json render_inference_service(const RenderOptions& options, const std::string& model);

/// ServiceAccount with the secret by reference, and the claim.
Json render_service_account(const RenderOptions& options);
Json render_claim(const RenderOptions& options);

/// Every file of the kustomize base and its overlays for CPUs and GPUs, by path.
std::map<std::string, std::string> render_kustomize(const Pipeline& pipeline,
                                                    const RenderOptions& options);

}  // namespace jetcal::pipeline
