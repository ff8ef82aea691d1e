// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/lint.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "jetcal/hpo/katib_rules.h"

namespace jetcal::pipeline {
namespace {

// Follows a dotted path; null where it leads nowhere.
const Json& at(const Json& document, const std::string& path) {
  static const Json kNothing;
  const Json* node = &document;
  std::stringstream parts(path);
  for (std::string part; std::getline(parts, part, '.');) {
    if (!node->is_object() || !node->contains(part)) return kNothing;
    node = &(*node)[part];
  }
  return *node;
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

bool is_label(const std::string& name, std::size_t longest) {
  return !name.empty() && name.size() <= longest && name.front() >= 'a' && name.front() <= 'z' &&
         name.back() != '-' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
}

class ResourceLint {
 public:
  explicit ResourceLint(const Json& resource) : resource_(resource) {
    kind_ = text_of(at(resource, "kind"));
    name_ = text_of(at(resource, "metadata.name"));
  }

  std::vector<Finding> run() {
    if (!at(resource_, "apiVersion").is_string() || !at(resource_, "kind").is_string()) {
      findings_.push_back("a resource has no apiVersion or no kind");
      return findings_;
    }
    if (kind_ == "Kustomization") return findings_;
    if (!at(resource_, "metadata.name").is_string() &&
        !at(resource_, "metadata.generateName").is_string())
      say("metadata.name is missing");
    if (kind_ == "Experiment") experiment();
    if (kind_ == "InferenceService") inference_service();
    if (kind_ == "ServingRuntime" || kind_ == "ClusterServingRuntime") serving_runtime();
    if (kind_ == "PyTorchJob") pytorch_job();
    if (kind_ == "TrainJob") train_job();
    if (kind_ == "TrainingRuntime" || kind_ == "ClusterTrainingRuntime") training_runtime();
    if (kind_ == "ScheduledWorkflow" && !at(resource_, "status").is_object())
      say("status must be there, if only {}: the CRD refuses the object without it");
    if (kind_ == "Secret" &&
        (!at(resource_, "data").empty() || !at(resource_, "stringData").empty()))
      say("a Secret in a file holds values; refer to one that is in the cluster");
    return findings_;
  }

 private:
  template <typename... Parts>
  void say(const Parts&... parts) {
    std::ostringstream text;
    text << kind_ << " " << name_ << ": ";
    (text << ... << parts);
    findings_.push_back(text.str());
  }

  // A document of JSON is one of YAML, and keeps text and numbers apart.
  void experiment() {
    for (const std::string& mistake : hpo::katib_mistakes(resource_.dump(), name_)) say(mistake);
  }

  // ---- KServe ---------------------------------------------------------------------------------

  void inference_service() {
    constexpr std::size_t kMaxName = 63;
    if (!is_label(name_, kMaxName))
      say("metadata.name must be a name of a-z, 0-9 and '-', with a letter first");
    const Json& predictor = at(resource_, "spec.predictor");
    if (!predictor.is_object()) {
      say("spec.predictor must be specified");
      return;
    }
    static const std::set<std::string> kFrameworks{
        "model",   "triton", "onnx",     "pytorch", "sklearn",    "tensorflow",
        "xgboost", "pmml",   "lightgbm", "paddle",  "huggingface"};
    int implementations = at(predictor, "containers").empty() ? 0 : 1;
    std::string uri;
    for (const auto& [name, value] : predictor.items()) {
      if (kFrameworks.count(name) == 0) continue;
      ++implementations;
      if (at(value, "storageUri").is_string()) uri = at(value, "storageUri");
    }
    if (implementations != 1)
      say("spec.predictor must have exactly one of model, a framework and containers, got ",
          implementations);
    if (at(predictor, "model").is_object() && !at(predictor, "model.modelFormat.name").is_string())
      say("spec.predictor.model.modelFormat.name must be specified");
    if (!uri.empty()) storage(uri);
    replicas(predictor);
  }

  void storage(const std::string& uri) {
    for (const char* known : {"gs://", "s3://", "pvc://", "file://", "https://", "http://",
                              "hdfs://", "webhdfs://", "oci://", "hf://", "abfs://", "/mnt/"}) {
      if (uri.rfind(known, 0) == 0 && uri.size() > std::string(known).size()) return;
    }
    say("storageUri ", uri, " begins with nothing that KServe's storage initializer knows");
  }

  void replicas(const Json& predictor) {
    const auto count = [&](const char* name) -> std::int64_t {
      const Json& value = at(predictor, name);
      if (value.is_null()) return -1;
      if (!value.is_number_integer() || value.get<std::int64_t>() < 0) {
        say("spec.predictor.", name, " must be a whole number from 0, got ", value.dump());
        return -1;
      }
      return value.get<std::int64_t>();
    };
    const std::int64_t least = count("minReplicas"), most = count("maxReplicas");
    if (least >= 0 && most > 0 && least > most)
      say("spec.predictor.minReplicas cannot exceed maxReplicas (", most, "), got ", least);
    const std::int64_t canary = count("canaryTrafficPercent");
    if (canary > 100) say("spec.predictor.canaryTrafficPercent must be at most 100, got ", canary);
    const Json& annotations = at(resource_, "metadata.annotations");
    const std::string mode =
        annotations.is_object() ? annotations.value("serving.kserve.io/deploymentMode", "") : "";
    static const std::set<std::string> kModes{"",          "Standard",      "Knative",
                                              "ModelMesh", "RawDeployment", "Serverless"};
    if (kModes.count(mode) == 0) say("the deployment mode ", mode, " is unknown");
    const bool standard = mode == "Standard" || mode == "RawDeployment";
    if (standard && least == 0)
      say("spec.predictor.minReplicas of 0 becomes 1 in the mode ", mode,
          "; only Knative scales to zero");
    if (standard && canary >= 0)
      say("spec.predictor.canaryTrafficPercent has no effect in the mode ", mode);
  }

  void serving_runtime() {
    const Json& containers = at(resource_, "spec.containers");
    bool found = false;
    for (const Json& container : containers)
      found = found || text_of(at(container, "name")) == "kserve-container";
    if (!found) say("spec.containers must have one named kserve-container");
    if (at(resource_, "spec.supportedModelFormats").empty())
      say("spec.supportedModelFormats must name at least one format");
    std::set<std::string> automatic;
    for (const Json& format : at(resource_, "spec.supportedModelFormats")) {
      const Json& priority = at(format, "priority");
      if (!priority.is_null() && (!priority.is_number_integer() || priority < 1))
        say("the priority of a model format must be above 0, got ", priority.dump());
    }
  }

  // ---- Trainer --------------------------------------------------------------------------------

  void pytorch_job() {
    const Json& replicas = at(resource_, "spec.pytorchReplicaSpecs");
    if (replicas.empty()) say("spec.pytorchReplicaSpecs must be specified");
    if (!replicas.is_object()) return;
    for (const auto& [role, replica] : replicas.items()) {
      if (role != "Master" && role != "Worker")
        say("spec.pytorchReplicaSpecs has Master and Worker, not ", role);
      if (role == "Master" && !at(replica, "replicas").is_null() &&
          at(replica, "replicas") != Json(1))
        say("spec.pytorchReplicaSpecs.Master.replicas must be 1");
      bool named = false;
      for (const Json& container : at(replica, "template.spec.containers")) {
        named = named || text_of(at(container, "name")) == "pytorch";
        if (!at(container, "image").is_string()) say("a container of ", role, " has no image");
      }
      if (!named) say("the containers of ", role, " must have one named pytorch");
    }
  }

  void train_job() {
    if (!at(resource_, "spec.runtimeRef.name").is_string())
      say("spec.runtimeRef.name must be specified");
  }

  void training_runtime() {
    const Json& jobs = at(resource_, "spec.template.spec.replicatedJobs");
    if (jobs.empty()) say("spec.template.spec.replicatedJobs must be specified");
    const Json& policy = at(resource_, "spec.mlPolicy");
    if (at(policy, "torch").is_object() && at(policy, "mpi").is_object())
      say("spec.mlPolicy takes one of torch and mpi");
    bool trainer = false;
    for (const Json& job : jobs) {
      const Json& labels = at(job, "template.metadata.labels");
      trainer =
          trainer || (labels.is_object() &&
                      labels.value("trainer.kubeflow.org/trainjob-ancestor-step", "") == "trainer");
    }
    if (!trainer)
      say("no replicatedJob has the label trainer.kubeflow.org/trainjob-ancestor-step: trainer");
  }

  const Json& resource_;
  std::string kind_, name_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> lint_resource(const Json& resource) { return ResourceLint(resource).run(); }

std::vector<Finding> lint_documents(const std::vector<Json>& documents) {
  std::vector<Finding> all;
  for (const Json& document : documents) {
    if (document.is_null()) continue;
    const std::vector<Finding> found = lint_resource(document);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

}  // namespace jetcal::pipeline
