// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/lint.h"

#include <sstream>

#include "jetcal/hpo/katib_rules.h"
#include "jetcal/pipeline/detail/json_field.h"
#include "jetcal/pipeline/detail/kserve_rules.h"

namespace jetcal::pipeline {
namespace {

class ResourceLint {
 public:
  explicit ResourceLint(const Json& resource) : resource_(resource) {
    kind_ = text_of(field_at(resource, "kind"));
    name_ = text_of(field_at(resource, "metadata.name"));
  }

  std::vector<Finding> run() {
    if (!field_at(resource_, "apiVersion").is_string() ||
        !field_at(resource_, "kind").is_string()) {
      findings_.push_back("a resource has no apiVersion or no kind");
      return findings_;
    }
    if (kind_ == "Kustomization") return findings_;
    if (!field_at(resource_, "metadata.name").is_string() &&
        !field_at(resource_, "metadata.generateName").is_string())
      say("metadata.name is missing");
    if (kind_ == "Experiment") experiment();
    if (kind_ == "InferenceService") take(inference_service_mistakes(resource_));
    if (is_serving_runtime(resource_)) take(serving_runtime_mistakes(resource_));
    if (kind_ == "PyTorchJob") pytorch_job();
    if (kind_ == "TrainJob") train_job();
    if (kind_ == "TrainingRuntime" || kind_ == "ClusterTrainingRuntime") training_runtime();
    if (kind_ == "ScheduledWorkflow" && !field_at(resource_, "status").is_object())
      say("status must be there, if only {}: the CRD refuses the object without it");
    if (kind_ == "Secret" &&
        (!field_at(resource_, "data").empty() || !field_at(resource_, "stringData").empty()))
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

  void take(const std::vector<std::string>& mistakes) {
    for (const std::string& mistake : mistakes) say(mistake);
  }

  // A document of JSON is one of YAML, and keeps text and numbers apart.
  void experiment() { take(hpo::katib_mistakes(resource_.dump(), name_)); }

  // ---- Trainer --------------------------------------------------------------------------------

  void pytorch_job() {
    const Json& replicas = field_at(resource_, "spec.pytorchReplicaSpecs");
    if (replicas.empty()) say("spec.pytorchReplicaSpecs must be specified");
    if (!replicas.is_object()) return;
    for (const auto& [role, replica] : replicas.items()) {
      if (role != "Master" && role != "Worker")
        say("spec.pytorchReplicaSpecs has Master and Worker, not ", role);
      if (role == "Master" && !field_at(replica, "replicas").is_null() &&
          field_at(replica, "replicas") != Json(1))
        say("spec.pytorchReplicaSpecs.Master.replicas must be 1");
      bool named = false;
      for (const Json& container : field_at(replica, "template.spec.containers")) {
        named = named || text_of(field_at(container, "name")) == "pytorch";
        if (!field_at(container, "image").is_string())
          say("a container of ", role, " has no image");
      }
      if (!named) say("the containers of ", role, " must have one named pytorch");
    }
  }

  void train_job() {
    if (!field_at(resource_, "spec.runtimeRef.name").is_string())
      say("spec.runtimeRef.name must be specified");
  }

  void training_runtime() {
    const Json& jobs = field_at(resource_, "spec.template.spec.replicatedJobs");
    if (jobs.empty()) say("spec.template.spec.replicatedJobs must be specified");
    const Json& policy = field_at(resource_, "spec.mlPolicy");
    if (field_at(policy, "torch").is_object() && field_at(policy, "mpi").is_object())
      say("spec.mlPolicy takes one of torch and mpi");
    bool trainer = false;
    for (const Json& job : jobs) {
      constexpr const char* kStep = "trainer.kubeflow.org/trainjob-ancestor-step";
      const Json& labels = field_at(job, "template.metadata.labels");
      trainer = trainer ||
                (labels.is_object() && labels.contains(kStep) && labels[kStep] == Json("trainer"));
    }
    if (field_at(policy, "mpi").is_object() &&
        field_at(resource_, "spec.template.spec.successPolicy.targetReplicatedJobs").empty())
      say("spec.template.spec.successPolicy must name the launcher: the nodes never end by "
          "themselves");
    if (!trainer)
      say("no replicatedJob has the label trainer.kubeflow.org/trainjob-ancestor-step: trainer");
  }

  const Json& resource_;
  std::string kind_, name_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> lint_resource(const Json& resource) { return ResourceLint(resource).run(); }

std::vector<std::pair<std::size_t, Finding>> lint_together(const std::vector<Json>& resources) {
  return serving_runtime_conflicts(resources);
}

}  // namespace jetcal::pipeline
