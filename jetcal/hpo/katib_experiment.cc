// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/katib_experiment.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>

#include "jetcal/base/error.h"
#include "jetcal/hpo/katib_rules.h"

namespace jetcal::hpo {

namespace {

using Json = nlohmann::ordered_json;

// Text that YAML would take for something else is quoted; text of several lines is a block.
void emit(YAML::Emitter& out, const Json& value) {
  static const std::regex kPlain("[A-Za-z/][A-Za-z0-9_./-]*");
  static const std::regex kWord("true|false|null|yes|no|on|off|y|n", std::regex::icase);
  if (value.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [key, item] : value.items()) {
      out << YAML::Key << key << YAML::Value;
      emit(out, item);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    out << YAML::BeginSeq;
    for (const Json& item : value) emit(out, item);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    const auto text = value.get<std::string>();
    if (text.find('\n') != std::string::npos && text.find_first_of("\r\t") == std::string::npos) {
      out << YAML::Literal << text;
    } else if (std::regex_match(text, kPlain) && !std::regex_match(text, kWord)) {
      out << text;
    } else {
      out << YAML::DoubleQuoted << text;
    }
  } else {
    out << value.dump();
  }
}

std::string number_text(double value) { return to_string(Value(value)); }

Json parameter_json(const Parameter& parameter) {
  if (parameter.condition) {
    fail(ErrorCode::InvalidArgument, "Katib has no conditional parameters such as '",
         parameter.name, "'");
  }
  Json space = Json::object();
  std::string kind;
  if (parameter.kind == Parameter::Kind::Float || parameter.kind == Parameter::Kind::Integer) {
    const bool integer = parameter.kind == Parameter::Kind::Integer;
    kind = integer ? "int" : "double";
    const auto text = [integer](double value) {
      return integer ? std::to_string(static_cast<std::int64_t>(value)) : number_text(value);
    };
    space["min"] = text(parameter.low);
    space["max"] = text(parameter.high);
    if (parameter.step > 0 && !(integer && parameter.step == 1)) {
      if (parameter.log) {
        fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name,
             "' has steps and a logarithmic scale, which Katib cannot express");
      }
      space["step"] = text(parameter.step);
    }
    if (parameter.log) space["distribution"] = "logUniform";
  } else {
    kind = parameter.kind == Parameter::Kind::Discrete ? "discrete" : "categorical";
    space["list"] = Json::array();
    for (const Value& choice : parameter.choices) space["list"].push_back(to_string(choice));
  }
  return {{"name", parameter.name}, {"parameterType", kind}, {"feasibleSpace", std::move(space)}};
}

Json settings_json(const Settings& settings) {
  Json list = Json::array();
  for (const auto& [name, value] : settings) list.push_back({{"name", name}, {"value", value}});
  return list;
}

Json objective_json(const StudyDefinition& study, const KatibOptions& options) {
  const Objective& objective = study.objectives.front();
  const std::string best = objective.maximise ? "max" : "min";
  Json json{{"type", objective.maximise ? "maximize" : "minimize"},
            {"objectiveMetricName", objective.metric}};
  if (study.limits.goal) json["goal"] = *study.limits.goal;
  if (!options.more_metrics.empty()) json["additionalMetricNames"] = options.more_metrics;
  json["metricStrategies"] = Json::array();
  json["metricStrategies"].push_back(
      {{"name", objective.metric},
       {"value", study.outcome == ReportChoice::Best ? best : "latest"}});
  for (const std::string& name : options.more_metrics)
    json["metricStrategies"].push_back({{"name", name}, {"value", "latest"}});
  return json;
}

Json container_json(const KatibOptions& options, const std::string& name) {
  Json resources{{"cpu", number_text(options.cpus)}, {"memory", options.memory}};
  if (options.gpus > 0) resources["nvidia.com/gpu"] = std::to_string(options.gpus);
  Json environment = Json::array();
  for (const auto& [key, value] : options.environment)
    environment.push_back({{"name", key}, {"value", value}});
  if (!options.secret.empty()) {
    for (const char* key : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) {
      Json reference{{"name", options.secret}, {"key", key}};
      environment.push_back(
          {{"name", key}, {"valueFrom", {{"secretKeyRef", std::move(reference)}}}});
    }
  }
  Json container{{"name", name},
                 {"image", options.image},
                 {"command", options.command},
                 {"resources", {{"requests", resources}, {"limits", resources}}}};
  if (!environment.empty()) container["env"] = std::move(environment);
  for (std::size_t i = 0; i < options.volumes.size(); ++i) {
    Json mount{{"name", fmt::format("volume-{}", i)}, {"mountPath", options.volumes[i].path}};
    if (options.volumes[i].read_only) mount["readOnly"] = true;
    container["volumeMounts"].push_back(std::move(mount));
  }
  return container;
}

Json pod_json(const KatibOptions& options, const std::string& container) {
  Json pod = Json::object();
  if (!options.service_account.empty()) pod["serviceAccountName"] = options.service_account;
  pod["containers"] = Json::array({container_json(options, container)});
  for (std::size_t i = 0; i < options.volumes.size(); ++i) {
    pod["volumes"].push_back(
        {{"name", fmt::format("volume-{}", i)},
         {"persistentVolumeClaim", {{"claimName", options.volumes[i].claim}}}});
  }
  return pod;
}

// A sidecar of the service mesh would keep a finished pod alive.
Json no_sidecar() { return {{"annotations", {{"sidecar.istio.io/inject", "false"}}}}; }

Json job_json(const KatibOptions& options) {
  Json pod = pod_json(options, "training");
  pod["restartPolicy"] = "Never";
  return {{"apiVersion", "batch/v1"},
          {"kind", "Job"},
          {"spec",
           {{"backoffLimit", 0},
            {"template", {{"metadata", no_sidecar()}, {"spec", std::move(pod)}}}}}};
}

Json pytorch_job_json(const KatibOptions& options) {
  const auto replicas = [&](std::int64_t count) {
    return Json{{"replicas", count},
                {"restartPolicy", "OnFailure"},
                {"template", {{"metadata", no_sidecar()}, {"spec", pod_json(options, "pytorch")}}}};
  };
  Json specs{{"Master", replicas(1)}};
  if (options.workers > 1) specs["Worker"] = replicas(options.workers - 1);
  return {{"apiVersion", "kubeflow.org/v1"},
          {"kind", "PyTorchJob"},
          {"spec", {{"pytorchReplicaSpecs", std::move(specs)}}}};
}

Json train_job_json(const KatibOptions& options) {
  if (!options.volumes.empty() || !options.service_account.empty()) {
    fail(ErrorCode::InvalidArgument, "volumes and the service account of a TrainJob belong to its ",
         "runtime '", options.runtime, "'");
  }
  Json container = container_json(options, "node");
  Json trainer{{"numNodes", options.workers},
               {"image", options.image},
               {"command", options.command},
               {"resourcesPerNode", container["resources"]}};
  if (container.contains("env")) trainer["env"] = container["env"];
  Json runtime{{"apiGroup", "trainer.kubeflow.org"},
               {"kind", options.runtime_kind},
               {"name", options.runtime}};
  return {{"apiVersion", "trainer.kubeflow.org/v1alpha1"},
          {"kind", "TrainJob"},
          {"spec", {{"runtimeRef", std::move(runtime)}, {"trainer", std::move(trainer)}}}};
}

Json template_json(const StudyDefinition& study, const KatibOptions& options) {
  constexpr const char* kState = "status.conditions.#(type==\"{}\")#|#(status==\"True\")#";
  const bool pytorch = options.trial == KatibTrial::PyTorchJob;
  const bool train_job = options.trial == KatibTrial::TrainJob;
  Json json{{"primaryContainerName", train_job ? "node" : pytorch ? "pytorch" : "training"}};
  if (pytorch) json["primaryPodLabels"] = {{"training.kubeflow.org/job-role", "master"}};
  if (train_job) {
    json["primaryPodLabels"] = {{"jobset.sigs.k8s.io/replicatedjob-name", "node"},
                                {"batch.kubernetes.io/job-completion-index", "0"}};
  }
  json["successCondition"] = fmt::format(kState, pytorch ? "Succeeded" : "Complete");
  json["failureCondition"] = fmt::format(kState, "Failed");
  json["trialParameters"] = Json::array();
  for (const Parameter& parameter : study.space.parameters())
    json["trialParameters"].push_back({{"name", parameter.name}, {"reference", parameter.name}});
  if (!options.resource.empty()) {
    json["trialParameters"].push_back(
        {{"name", options.resource}, {"reference", options.resource}});
    json["trialParameters"].push_back(
        {{"name", "trial"}, {"reference", "${trialSpec.Labels[jetcal-trial]}"}});
  }
  json["trialSpec"] = pytorch     ? pytorch_job_json(options)
                      : train_job ? train_job_json(options)
                                  : job_json(options);
  return json;
}

Json collector_json(const KatibOptions& options) {
  if (options.metrics_file.empty()) return {{"collector", {{"kind", "StdOut"}}}};
  return {{"collector", {{"kind", "File"}}},
          {"source",
           {{"fileSystemPath",
             {{"path", options.metrics_file},
              {"kind", "File"},
              {"format", options.metrics_json ? "JSON" : "TEXT"}}}}}};
}

void reject_what_katib_lacks(const StudyDefinition& study, const KatibOptions& options) {
  if (study.objectives.size() != 1)
    fail(ErrorCode::InvalidArgument, "Katib knows one objective, the study has ",
         study.objectives.size());
  if (!study.constraints.empty())
    fail(ErrorCode::InvalidArgument, "Katib knows no constraints such as that of '",
         study.constraints.front().metric, "'");
  if (options.image.empty())
    fail(ErrorCode::InvalidArgument, "a trial in Katib needs a container image: give katib.image");
  if (options.runtime_kind != "ClusterTrainingRuntime" && options.runtime_kind != "TrainingRuntime")
    fail(ErrorCode::InvalidArgument, "katib.runtime_kind must be ClusterTrainingRuntime or ",
         "TrainingRuntime, not '", options.runtime_kind, "'");
  if (options.workers < 1)
    fail(ErrorCode::InvalidArgument, "katib.workers must be at least 1, got ", options.workers);
  if (!(options.cpus > 0) || !std::isfinite(options.cpus))
    fail(ErrorCode::InvalidArgument, "katib.cpus must be above 0, got ", options.cpus);
  if (options.gpus < 0)
    fail(ErrorCode::InvalidArgument, "katib.gpus must not be negative, got ", options.gpus);
  if (options.trial == KatibTrial::Job && options.workers > 1)
    fail(ErrorCode::InvalidArgument,
         "a Job is one pod: katib.trial must be PyTorchJob or TrainJob ", "for ", options.workers,
         " workers");
}

}  // namespace

KatibTrial parse_katib_trial(const std::string& word) {
  if (word == "Job") return KatibTrial::Job;
  if (word == "PyTorchJob") return KatibTrial::PyTorchJob;
  if (word == "TrainJob") return KatibTrial::TrainJob;
  fail(ErrorCode::InvalidArgument, "a trial in Katib is a Job, PyTorchJob or TrainJob, not '", word,
       "'");
}

std::string katib_experiment(const StudyDefinition& study, const KatibOptions& options) {
  reject_what_katib_lacks(study, options);
  Json metadata{{"name", options.name}};
  if (!options.name_space.empty()) metadata["namespace"] = options.name_space;
  Json algorithm{{"algorithmName",
                  options.algorithm.empty() ? "jetcal-" + study.algorithm : options.algorithm}};
  Settings settings = study.settings;
  settings.emplace("random_state", std::to_string(study.seed));
  if (!options.resource.empty()) {
    settings.erase("min_resource");
    settings.erase("max_resource");
    settings["resource_name"] = options.resource;
  }
  algorithm["algorithmSettings"] = settings_json(settings);
  Json spec{{"objective", objective_json(study, options)}, {"algorithm", std::move(algorithm)}};
  if (!study.early_stopping.empty()) {
    Settings rule;
    for (const auto& [name, value] : study.early_stopping_settings)
      rule[name == "min_trials" ? "min_trials_required"
           : name == "start"    ? "start_step"
                                : name] = value;
    spec["earlyStopping"] = {{"algorithmName", "medianstop"},
                             {"algorithmSettings", settings_json(rule)}};
  }
  spec["parallelTrialCount"] = options.parallel;
  if (study.limits.trials > 0) spec["maxTrialCount"] = study.limits.trials;
  spec["maxFailedTrialCount"] = options.max_failed;
  spec["metricsCollectorSpec"] = collector_json(options);
  spec["parameters"] = Json::array();
  for (const Parameter& parameter : study.space.parameters())
    spec["parameters"].push_back(parameter_json(parameter));
  if (!options.resource.empty()) {
    Parameter resource;
    resource.name = options.resource;
    resource.kind = Parameter::Kind::Integer;
    resource.low = static_cast<double>(options.resource_low);
    resource.high = static_cast<double>(options.resource_high);
    spec["parameters"].push_back(parameter_json(resource));
  }
  spec["trialTemplate"] = template_json(study, options);
  const Json manifest{{"apiVersion", "kubeflow.org/v1beta1"},
                      {"kind", "Experiment"},
                      {"metadata", std::move(metadata)},
                      {"spec", std::move(spec)}};
  YAML::Emitter out;
  emit(out, manifest);
  std::string text = std::string(out.c_str()) + "\n";
  std::string mistakes;
  for (const std::string& mistake : katib_mistakes(text, "the experiment"))
    mistakes += (mistakes.empty() ? "" : "; ") + mistake;
  if (!mistakes.empty())
    fail(ErrorCode::InvalidArgument, "Katib would refuse the experiment: ", mistakes);
  return text;
}

}  // namespace jetcal::hpo
