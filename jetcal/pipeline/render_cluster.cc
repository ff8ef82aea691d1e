// SPDX-License-Identifier: Apache-2.0
// Training jobs, their runtimes, serving, storage: one resource a function.
#include <algorithm>

#include "jetcal/pipeline/detail/container_command.h"
#include "jetcal/pipeline/pipeline_file.h"
#include "jetcal/pipeline/render.h"

namespace jetcal::pipeline {
namespace {

constexpr int kUser = 65532;       // of jetcal's images
constexpr int kSshPort = 2222;     // of their sshd, which does not run as root
constexpr int kTritonUser = 1000;  // of its image, which runs as root otherwise

Json metadata(const std::string& name, const RenderOptions& options) {
  return {{"name", name}, {"namespace", options.name_space}};
}

Json resource(const char* version, const char* kind, const std::string& name,
              const RenderOptions& options) {
  return {{"apiVersion", version}, {"kind", kind}, {"metadata", metadata(name, options)}};
}

// S3 credentials as variables, from the secret.
Json secret_variables(const RenderOptions& options) {
  Json variables = Json::array();
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) {
    Json one = {{"name", name}};
    one["valueFrom"]["secretKeyRef"] = {{"name", options.secret}, {"key", name}};
    variables.push_back(one);
  }
  if (!options.endpoint.empty())
    variables.push_back({{"name", "AWS_ENDPOINT_URL"}, {"value", options.endpoint}});
  return variables;
}

Json limits(double cores, std::int64_t memory, std::int64_t gpus) {
  Json amounts = {{"cpu", cores_text(cores)}, {"memory", memory_text(memory)}};
  if (gpus > 0) amounts["nvidia.com/gpu"] = std::to_string(gpus);
  return {{"requests", amounts}, {"limits", amounts}};
}

Json hardened() {
  Json context = {{"runAsNonRoot", true}, {"allowPrivilegeEscalation", false}};
  context["capabilities"]["drop"] = Json::array({"ALL"});
  context["seccompProfile"]["type"] = "RuntimeDefault";
  return context;
}

// Where a training finds its data: the claim, or S3 by its credentials.
void add_data(Json& container, Json& pod, const RenderOptions& options) {
  if (!options.bucket.empty()) {
    container["env"] = secret_variables(options);
    return;
  }
  container["volumeMounts"] = Json::array({{{"name", "data"}, {"mountPath", kClusterMount}}});
  Json volume = {{"name", "data"}};
  volume["persistentVolumeClaim"]["claimName"] = options.claim;
  pod["volumes"] = Json::array({volume});
}

constexpr std::int64_t kTrainingMemory = 4LL << 30;
constexpr double kTrainingCores = 2;

Json training_pod(const RenderOptions& options, const char* container_name,
                  const std::vector<std::string>& command) {
  Json container = {{"name", container_name}, {"image", options.image}};
  if (!command.empty()) {
    container["command"] = Json::array({command.front()});
    container["args"] = std::vector<std::string>(command.begin() + 1, command.end());
  }
  container["resources"] = limits(kTrainingCores, kTrainingMemory, options.gpus);
  Json pod;
  add_data(container, pod, options);
  pod["serviceAccountName"] = options.service_account;
  pod["containers"] = Json::array({container});
  return pod;
}

// mpirun hands variables of its pod to processes of others by name alone.
std::vector<std::string> by_mpirun(const RenderOptions& options,
                                   const std::vector<std::string>& command) {
  std::vector<std::string> line{"mpirun"};
  if (!options.bucket.empty()) {
    for (const Json& variable : secret_variables(options))
      line.insert(line.end(), {"-x", variable["name"].get<std::string>()});
  }
  line.insert(line.end(), command.begin(), command.end());
  return line;
}

// One of the two jobs of an MPI runtime; the launcher waits until the nodes' sshd answers.
Json mpi_job(const RenderOptions& options, bool launcher) {
  Json job = {{"name", launcher ? "launcher" : "node"}};
  if (launcher) {
    job["dependsOn"] = Json::array({{{"name", "node"}, {"status", "Ready"}}});
    job["template"]["metadata"]["labels"]["trainer.kubeflow.org/trainjob-ancestor-step"] =
        "trainer";
  }
  std::vector<std::string> command;
  if (!launcher) command = {"/usr/sbin/sshd", "-De", "-f", "/home/jetcal/.sshd_config"};
  Json& pod = job["template"]["spec"]["template"]["spec"];
  pod = training_pod(options, "node", command);
  pod["securityContext"]["fsGroup"] = kUser;  // the keys are readable by root and this group
  if (!launcher) {
    pod["containers"][0]["readinessProbe"]["tcpSocket"]["port"] = kSshPort;
    pod["containers"][0]["readinessProbe"]["periodSeconds"] = 1;
  }
  return job;
}

void check_name(const std::string& name, const char* what) {
  const bool good =
      !name.empty() && name.size() <= 63 && name.front() != '-' && name.back() != '-' &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
  if (!good)
    fail(ErrorCode::InvalidArgument, "the ", what, " must be a name of Kubernetes, got '", name,
         "'");
}

}  // namespace

void validate(const RenderOptions& options) {
  check_name(options.name_space, "namespace");
  check_name(options.service_account, "service account");
  check_name(options.secret, "secret");
  if (options.bucket.empty()) check_name(options.claim, "claim");
  parse_memory(options.storage);
  if (options.runtime != "jetcal" && options.runtime != "triton")
    fail(ErrorCode::InvalidArgument, "the runtime is jetcal or triton, got '", options.runtime,
         "'");
  if (options.min_replicas < 0 || options.max_replicas < 1 ||
      options.max_replicas < options.min_replicas)
    fail(ErrorCode::InvalidArgument, "there cannot be ", options.min_replicas, " to ",
         options.max_replicas, " replicas");
  if (options.canary < 0 || options.canary > 100)
    fail(ErrorCode::InvalidArgument, "a canary gets 0 to 100 percent of the traffic, got ",
         options.canary);
  if (options.workers < 1 || options.gpus < 0)
    fail(ErrorCode::InvalidArgument, "a training has at least one worker and no fewer than 0 GPUs");
}

Json render_pytorch_job(const RenderOptions& options, const std::vector<std::string>& command) {
  Json job = resource("kubeflow.org/v1", "PyTorchJob", "jetcal-train", options);
  Json& spec = job["spec"];
  spec["runPolicy"]["cleanPodPolicy"] = "Running";
  const auto replica = [&](std::int64_t count) {
    Json one = {{"replicas", count}, {"restartPolicy", "OnFailure"}};
    // The operator finds its container by this name.
    one["template"]["spec"] = training_pod(options, "pytorch", command);
    return one;
  };
  spec["pytorchReplicaSpecs"]["Master"] = replica(1);
  if (options.workers > 1) spec["pytorchReplicaSpecs"]["Worker"] = replica(options.workers - 1);
  return job;
}

Json render_train_job(const RenderOptions& options, const std::vector<std::string>& command) {
  Json job = resource("trainer.kubeflow.org/v1alpha1", "TrainJob", "jetcal-train", options);
  Json& spec = job["spec"];
  spec["runtimeRef"] = {{"apiGroup", "trainer.kubeflow.org"},
                        {"kind", "TrainingRuntime"},
                        {"name", options.gpus > 0 ? "jetcal-torch" : "jetcal-mpi"}};
  Json& trainer = spec["trainer"];
  trainer["image"] = options.image;
  const std::vector<std::string> line = options.gpus > 0 ? command : by_mpirun(options, command);
  trainer["command"] = Json::array({line.front()});
  trainer["args"] = std::vector<std::string>(line.begin() + 1, line.end());
  trainer["numNodes"] = options.workers;
  trainer["numProcPerNode"] = std::max<std::int64_t>(1, options.gpus);  // a process a GPU
  trainer["resourcesPerNode"] = limits(kTrainingCores, kTrainingMemory, options.gpus);
  return job;
}

Json render_torch_runtime(const RenderOptions& options) {
  Json runtime =
      resource("trainer.kubeflow.org/v1alpha1", "TrainingRuntime", "jetcal-torch", options);
  runtime["metadata"]["labels"]["trainer.kubeflow.org/framework"] = "torch";
  Json& spec = runtime["spec"];
  spec["mlPolicy"]["numNodes"] = options.workers;
  // Its controller sets torchrun's environment, whose address NCCL meets at.
  spec["mlPolicy"]["torch"] = Json::object();
  Json job = {{"name", "node"}};
  job["template"]["metadata"]["labels"]["trainer.kubeflow.org/trainjob-ancestor-step"] = "trainer";
  job["template"]["spec"]["template"]["spec"] = training_pod(options, "node", {});
  spec["template"]["spec"]["replicatedJobs"] = Json::array({job});
  return runtime;
}

Json render_mpi_runtime(const RenderOptions& options) {
  Json runtime =
      resource("trainer.kubeflow.org/v1alpha1", "TrainingRuntime", "jetcal-mpi", options);
  runtime["metadata"]["labels"]["trainer.kubeflow.org/framework"] = "mpi";
  Json& spec = runtime["spec"];
  spec["mlPolicy"]["numNodes"] = options.workers;
  spec["mlPolicy"]["mpi"] = {{"mpiImplementation", "OpenMPI"},
                             {"numProcPerNode", 1},
                             {"sshAuthMountPath", "/home/jetcal/.ssh"},
                             {"runLauncherAsNode", true}};
  Json& jobs = spec["template"]["spec"];
  jobs["network"]["publishNotReadyAddresses"] = true;
  // The nodes' sshd never ends by itself.
  jobs["successPolicy"] = {{"operator", "All"},
                           {"targetReplicatedJobs", Json::array({"launcher"})}};
  jobs["replicatedJobs"] = Json::array({mpi_job(options, false), mpi_job(options, true)});
  return runtime;
}

Json render_serving_runtime(const RenderOptions& options) {
  const bool triton = options.runtime == "triton";
  Json runtime = resource("serving.kserve.io/v1alpha1", "ServingRuntime",
                          triton ? "jetcal-triton" : "jetcal", options);
  Json& spec = runtime["spec"];
  Json format = {{"name", "onnx"}, {"version", "1"}, {"autoSelect", false}};
  spec["supportedModelFormats"] = Json::array({format});
  spec["protocolVersions"] = {"v2", "grpc-v2"};
  spec["multiModel"] = false;
  spec["annotations"] = {{"prometheus.kserve.io/port", "8002"},
                         {"prometheus.kserve.io/path", "/metrics"}};
  Json container = {{"name", "kserve-container"}};  // KServe asks for this name
  container["image"] = !options.serving_image.empty() ? options.serving_image
                       : triton                       ? "jetcal-triton:latest"
                                                      : "jetcal-serve:latest";
  if (triton) {
    container["command"] = Json::array({"tritonserver"});
    container["args"] = {"--model-repository=/mnt/models", "--http-port=8080", "--grpc-port=9000",
                         "--metrics-port=8002", "--backend-directory=/opt/tritonserver/backends"};
  } else {
    container["command"] = Json::array({"jetcal"});
    container["args"] = {"serve",   "--model-repository", "/mnt/models", "--host",
                         "0.0.0.0", "--http-port",        "8080",        "--grpc-port",
                         "9000",    "--metrics-port",     "8002"};
  }
  container["securityContext"] = hardened();
  if (triton) container["securityContext"]["runAsUser"] = kTritonUser;
  container["ports"] = Json::array({{{"containerPort", 8080}, {"protocol", "TCP"}}});
  for (const auto& [probe, path] :
       {std::pair{"readinessProbe", "/v2/health/ready"}, {"livenessProbe", "/v2/health/live"}}) {
    container[probe]["httpGet"] = {{"path", path}, {"port", 8080}};
    container[probe]["periodSeconds"] = 5;
  }
  container["readinessProbe"]["periodSeconds"] = 1;             // scaled from zero, somebody waits
  container["livenessProbe"]["failureThreshold"] = 12;          // models may take a minute to load
  container["resources"] = limits(2, 4LL << 30, options.gpus);  // the paper's
  spec["containers"] = Json::array({container});
  return runtime;
}

Json render_inference_service(const RenderOptions& options, const std::string& model) {
  check_name(model, "name of the model");
  Json service = resource("serving.kserve.io/v1beta1", "InferenceService", model, options);
  // Only Knative scales to zero; the standard mode would keep one replica.
  service["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] =
      options.min_replicas == 0 || options.canary > 0 ? "Knative" : "Standard";
  service["metadata"]["annotations"]["serving.kserve.io/enable-prometheus-scraping"] = "true";
  Json& predictor = service["spec"]["predictor"];
  predictor["minReplicas"] = options.min_replicas;
  predictor["maxReplicas"] = options.max_replicas;
  if (options.canary > 0) predictor["canaryTrafficPercent"] = options.canary;
  predictor["serviceAccountName"] = options.service_account;
  Json& spec = predictor["model"];
  spec["modelFormat"]["name"] = "onnx";
  spec["runtime"] = options.runtime == "triton" ? "jetcal-triton" : "jetcal";
  spec["protocolVersion"] = "v2";
  spec["storageUri"] = options.bucket.empty() ? "pvc://" + options.claim + "/repository"
                                              : "s3://" + options.bucket + "/repository";
  if (options.gpus > 0) spec["resources"] = limits(2, 4LL << 30, options.gpus);
  return service;
}

Json render_service_account(const RenderOptions& options) {
  Json account = resource("v1", "ServiceAccount", options.service_account, options);
  if (!options.bucket.empty()) account["secrets"] = Json::array({{{"name", options.secret}}});
  return account;
}

Json render_claim(const RenderOptions& options) {
  Json claim = resource("v1", "PersistentVolumeClaim", options.claim, options);
  claim["spec"]["accessModes"] = Json::array({"ReadWriteMany"});
  claim["spec"]["resources"]["requests"]["storage"] = options.storage;
  return claim;
}

}  // namespace jetcal::pipeline
