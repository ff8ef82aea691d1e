// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/lint.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

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

// Numbers of a feasible space are text; 0 and false where it is none.
bool read_number(const Json& value, double& number) {
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  char* end = nullptr;
  number = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0';
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

  // ---- Katib ----------------------------------------------------------------------------------

  void experiment() {
    constexpr std::size_t kMaxName = 40;
    if (!is_label(name_, kMaxName))
      say("metadata.name must be at most 40 of a-z, 0-9 and '-', with a letter first");
    objective();
    if (!at(resource_, "spec.algorithm.algorithmName").is_string() ||
        text_of(at(resource_, "spec.algorithm.algorithmName")).empty())
      say("spec.algorithm.algorithmName must be specified");
    counts();
    resume_policy();
    collector();
    const Json& parameters = at(resource_, "spec.parameters");
    if (parameters.empty() && at(resource_, "spec.nasConfig").is_null())
      say("spec.parameters or spec.nasConfig must be specified");
    std::set<std::string> names;
    for (std::size_t i = 0; i < parameters.size(); ++i)
      parameter(parameters[i], "spec.parameters[" + std::to_string(i) + "]", names);
    trial_template(names);
  }

  void objective() {
    const Json& objective = at(resource_, "spec.objective");
    const std::string type = text_of(at(objective, "type"));
    if (type != "minimize" && type != "maximize")
      say("spec.objective.type must be minimize or maximize, got ", type);
    const std::string metric = text_of(at(objective, "objectiveMetricName"));
    if (!at(objective, "objectiveMetricName").is_string() || metric.empty())
      say("spec.objective.objectiveMetricName must be specified");
    for (const Json& other : at(objective, "additionalMetricNames")) {
      if (text_of(other) == metric)
        say("spec.objective.additionalMetricNames must not hold objectiveMetricName ", metric);
    }
  }

  void counts() {
    const Json& most = at(resource_, "spec.maxTrialCount");
    const Json& parallel = at(resource_, "spec.parallelTrialCount");
    const Json& failed = at(resource_, "spec.maxFailedTrialCount");
    for (const auto& [name, value] :
         {std::pair{"maxTrialCount", &most}, {"parallelTrialCount", &parallel}}) {
      if (!value->is_null() && (!value->is_number_integer() || value->get<std::int64_t>() < 1))
        say("spec.", name, " must be greater than 0, got ", value->dump());
    }
    if (!failed.is_null() && (!failed.is_number_integer() || failed.get<std::int64_t>() < 0))
      say("spec.maxFailedTrialCount must not be less than 0, got ", failed.dump());
    if (!most.is_number_integer()) return;
    if (parallel.is_number_integer() && parallel > most)
      say("spec.parallelTrialCount must be at most maxTrialCount (", most.dump(), "), got ",
          parallel.dump());
    if (failed.is_number_integer() && failed > most)
      say("spec.maxFailedTrialCount must be at most maxTrialCount (", most.dump(), "), got ",
          failed.dump());
  }

  void resume_policy() {
    const Json& policy = at(resource_, "spec.resumePolicy");
    static const std::set<std::string> kPolicies{"Never", "LongRunning", "FromVolume"};
    if (!policy.is_null() && kPolicies.count(text_of(policy)) == 0)
      say("spec.resumePolicy must be Never, LongRunning or FromVolume, got ", text_of(policy));
  }

  void collector() {
    const Json& spec = at(resource_, "spec.metricsCollectorSpec");
    if (spec.is_null()) return;
    const std::string kind = text_of(at(spec, "collector.kind"));
    static const std::set<std::string> kKinds{
        "StdOut", "File", "TensorFlowEvent", "None", "PrometheusMetric", "Custom", "Push"};
    if (kKinds.count(kind) == 0)
      say("spec.metricsCollectorSpec.collector.kind ", kind, " is unknown");
    const Json& path = at(spec, "source.fileSystemPath");
    const std::string path_kind = text_of(at(path, "kind"));
    if (kind == "File" && (path_kind != "File" || text_of(at(path, "path")).rfind('/', 0) != 0))
      say("spec.metricsCollectorSpec.source.fileSystemPath of a File collector must be of kind "
          "File "
          "with an absolute path");
    if (kind == "TensorFlowEvent" &&
        (path_kind != "Directory" || text_of(at(path, "path")).rfind('/', 0) != 0))
      say("spec.metricsCollectorSpec.source.fileSystemPath of a TensorFlowEvent collector must be "
          "of "
          "kind Directory with an absolute path");
    if (kind == "Custom" && at(spec, "collector.customCollector").is_null())
      say("spec.metricsCollectorSpec.collector.customCollector must be specified");
  }

  void parameter(const Json& parameter, const std::string& where, std::set<std::string>& names) {
    const std::string name = text_of(at(parameter, "name"));
    if (!at(parameter, "name").is_string() || name.empty()) say(where, ".name must be specified");
    if (!names.insert(name).second) say(where, ".name ", name, " is there twice");
    const std::string type = text_of(at(parameter, "parameterType"));
    const Json& space = at(parameter, "feasibleSpace");
    if (space.empty()) {
      say(where, ".feasibleSpace must be specified");
      return;
    }
    const bool list = !at(space, "list").empty();
    const bool range = !at(space, "min").is_null() || !at(space, "max").is_null();
    if (type == "categorical" || type == "discrete") {
      if (!list) say(where, ".feasibleSpace.list must be specified for ", type);
      if (range || !at(space, "step").is_null())
        say(where, ".feasibleSpace has no min, max or step for ", type);
      for (const Json& value : at(space, "list")) {
        if (!value.is_string())
          say(where, ".feasibleSpace.list holds ", value.dump(), ", which is no text");
      }
    } else if (type == "int" || type == "double") {
      if (list) say(where, ".feasibleSpace has no list for ", type);
      bounds(space, where);
    } else {
      say(where, ".parameterType must be double, int, categorical or discrete, got ", type);
    }
  }

  void bounds(const Json& space, const std::string& where) {
    double low = 0, high = 0, step = 0;
    const bool has_low = read_number(at(space, "min"), low);
    const bool has_high = read_number(at(space, "max"), high);
    if (!has_low)
      say(where, ".feasibleSpace.min must be a number as text, got ", at(space, "min").dump());
    if (!has_high)
      say(where, ".feasibleSpace.max must be a number as text, got ", at(space, "max").dump());
    if (has_low && has_high && low >= high)
      say(where, ".feasibleSpace.min must be less than max, got ", low, " and ", high);
    if (!at(space, "step").is_null() && (!read_number(at(space, "step"), step) || step <= 0))
      say(where, ".feasibleSpace.step must be a number above 0 as text, got ",
          at(space, "step").dump());
    static const std::set<std::string> kDistributions{"uniform", "logUniform", "normal",
                                                      "logNormal"};
    const Json& distribution = at(space, "distribution");
    if (!distribution.is_null() && kDistributions.count(text_of(distribution)) == 0)
      say(where, ".feasibleSpace.distribution ", text_of(distribution), " is unknown");
    if (text_of(distribution) == "logUniform" && has_low && low <= 0)
      say(where, ".feasibleSpace.min must be above 0 for logUniform, got ", low);
  }

  void trial_template(const std::set<std::string>& parameters) {
    const Json& trial = at(resource_, "spec.trialTemplate");
    if (trial.empty()) {
      say("spec.trialTemplate must be specified");
      return;
    }
    const Json& spec = at(trial, "trialSpec");
    if (spec.empty() == at(trial, "configMap").empty())
      say("spec.trialTemplate must have either trialSpec or configMap");
    if (text_of(at(trial, "primaryContainerName")).empty() ||
        at(trial, "primaryContainerName").is_null())
      say("spec.trialTemplate.primaryContainerName must be specified");
    if (at(trial, "trialParameters").empty())
      say("spec.trialTemplate.trialParameters must be specified");
    std::string text = spec.dump();
    std::set<std::string> names, references;
    for (const Json& one : at(trial, "trialParameters")) {
      const std::string name = text_of(at(one, "name")), reference = text_of(at(one, "reference"));
      if (!names.insert(name).second)
        say("spec.trialTemplate.trialParameters has ", name, " twice");
      if (!references.insert(reference).second)
        say("spec.trialTemplate.trialParameters refers to ", reference, " twice");
      if (parameters.count(reference) == 0 && reference.rfind("${trialSpec.", 0) != 0)
        say("spec.trialTemplate.trialParameters refers to ", reference,
            ", which spec.parameters does not have");
      const std::string place = "${trialParameters." + name + "}";
      if (spec.empty()) continue;
      if (text.find(place) == std::string::npos)
        say("spec.trialTemplate.trialSpec does not use ", place);
      for (std::size_t i = text.find(place); i != std::string::npos; i = text.find(place))
        text.replace(i, place.size(), "0");
    }
    if (const std::size_t left = text.find("${trialParameters."); left != std::string::npos)
      say("spec.trialTemplate.trialSpec uses ", text.substr(left, text.find('}', left) - left + 1),
          ", which trialParameters does not have");
    if (spec.empty()) return;
    if (!at(spec, "apiVersion").is_string() || !at(spec, "kind").is_string())
      say("spec.trialTemplate.trialSpec must have apiVersion and kind");
    for (const char* field : {"name", "namespace"}) {
      if (!at(spec, std::string("metadata.") + field).is_null())
        say("spec.trialTemplate.trialSpec.metadata.", field, " must be left to Katib");
    }
    primary_container(text_of(at(trial, "primaryContainerName")), spec);
  }

  // The container that is watched must be one of the job's.
  void primary_container(const std::string& name, const Json& spec) {
    if (spec.dump().find("\"name\":\"" + name + "\"") == std::string::npos &&
        text_of(at(spec, "kind")) != "TrainJob")
      say("spec.trialTemplate.primaryContainerName ", name, " is no container of trialSpec");
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
