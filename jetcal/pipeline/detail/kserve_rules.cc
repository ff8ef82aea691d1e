// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kserve_rules.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <sstream>

#include "jetcal/pipeline/detail/json_field.h"
#include "jetcal/pipeline/detail/kserve_environment.h"
#include "jetcal/pipeline/detail/kserve_metrics.h"

namespace jetcal::pipeline {
namespace {

using Names = std::set<std::string>;

bool is_label(const std::string& name) {
  constexpr std::size_t kLongest = 63;
  return !name.empty() && name.size() <= kLongest && name.front() >= 'a' && name.front() <= 'z' &&
         name.back() != '-' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
}

std::string joined(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// What holds for workers of a service and of a runtime.
void add_worker_mistakes(const std::string& path, const Json& workers,
                         std::vector<std::string>& mistakes) {
  if (field_at(workers, "containers").size() > 1) mistakes.push_back(path + " takes one container");
  for (const char* size : {"pipelineParallelSize", "tensorParallelSize"}) {
    const Json& value = field_at(workers, size);
    if (value.is_number() && value < 1)
      mistakes.push_back(
          std::string(path).append(".").append(size).append(" cannot be below 1, got ") +
          value.dump());
  }
}

class ServiceRules {
 public:
  explicit ServiceRules(const Json& service) : service_(service) {
    deployment_ = annotation("serving.kserve.io/deploymentMode");
    standard_ = deployment_ == "Standard" || deployment_ == "RawDeployment";
    autoscaler_ = annotation("serving.kserve.io/autoscalerClass");
  }

  std::vector<std::string> run() {
    if (!is_label(text_of(field_at(service_, "metadata.name"))))
      say("metadata.name must be a name of a-z, 0-9 and '-', with a letter first");
    modes();
    const Json& predictor = field_at(service_, "spec.predictor");
    if (!predictor.is_object()) {
      say("spec.predictor must be specified");
      return mistakes_;
    }
    static const Names kFrameworks{"model",    "triton",     "onnx",       "pytorch",
                                   "sklearn",  "tensorflow", "xgboost",    "pmml",
                                   "lightgbm", "paddle",     "huggingface"};
    static const Names kExplainers{"art"};
    component("predictor", kFrameworks);
    if (field_at(service_, "spec.transformer").is_object()) component("transformer", {});
    if (field_at(service_, "spec.explainer").is_object()) component("explainer", kExplainers);
    if (field_at(predictor, "model").is_object() &&
        !field_at(predictor, "model.modelFormat.name").is_string())
      say("spec.predictor.model.modelFormat.name must be specified");
    confidential(predictor, kFrameworks);
    workers(predictor);
    take(service_variable_mistakes(service_));
    return mistakes_;
  }

 private:
  template <typename... Parts>
  void say(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    mistakes_.push_back(text.str());
  }

  void take(const std::vector<std::string>& mistakes) {
    mistakes_.insert(mistakes_.end(), mistakes.begin(), mistakes.end());
  }

  std::string annotation(const char* name) const {
    const Json& annotations = field_at(service_, "metadata.annotations");
    return annotations.is_object() && annotations.contains(name) ? text_of(annotations[name]) : "";
  }

  void one_of(const std::string& field, const Json& value, const Names& known) {
    if (!value.is_null() && known.count(text_of(value)) == 0)
      say(field, " must be one of ", joined(known), ", got ", text_of(value));
  }

  void modes() {
    static const Names kModes{"Standard", "Knative", "ModelMesh", "RawDeployment", "Serverless"};
    static const Names kAutoscalers{"hpa", "keda", "external", "none"};
    if (!deployment_.empty() && kModes.count(deployment_) == 0)
      say("the deployment mode ", deployment_, " is unknown");
    if (!autoscaler_.empty())
      one_of("the annotation serving.kserve.io/autoscalerClass", autoscaler_, kAutoscalers);
  }

  void component(const std::string& name, const Names& frameworks) {
    const Json& part = field_at(service_, "spec." + name);
    const std::string path = "spec." + name;
    int implementations = 0;
    std::string uri;
    for (const auto& [field, value] : part.items()) {
      if (frameworks.count(field) == 0 || value.is_null()) continue;
      ++implementations;
      if (field_at(value, "storageUri").is_string()) uri = value["storageUri"];
      if (field_at(value, "name").is_string())
        say(path, ".", field, ".name is not allowed: KServe names the container");
      one_of(std::string(path).append(".").append(field).append(".protocolVersion"),
             field_at(value, "protocolVersion"), {"v1", "v2", "grpc-v1", "grpc-v2"});
    }
    const int custom = custom_containers(part, implementations);
    implementations += custom;
    if (custom > 0) own_server(name, field_at(part, "containers"), uri);
    if (implementations != 1)
      say(path, " must have exactly one of ", joined(frameworks), frameworks.empty() ? "" : " and ",
          "containers, got ", implementations);
    if (!uri.empty()) storage(uri);
    storage_uris(path, part, !uri.empty());
    replicas(path, part);
    scaling(path, part);
    const Json& concurrency = field_at(part, "containerConcurrency");
    if (concurrency.is_number() && concurrency < 0)
      say(path, ".containerConcurrency cannot be below 0, got ", concurrency.dump());
    one_of(path + ".logger.mode", field_at(part, "logger.mode"), {"all", "request", "response"});
    collocated(path, part);
  }

  // Containers are the predictor itself only by their name, or where nothing else is.
  static int custom_containers(const Json& part, int others) {
    const Json& containers = field_at(part, "containers");
    const auto named = std::count_if(containers.begin(), containers.end(), [](const Json& one) {
      return text_of(field_at(one, "name")) == "kserve-container";
    });
    if (named == 0 && others == 0 && !containers.empty()) return 1;
    return static_cast<int>(named);
  }

  // A server of one's own says in variables what others have fields for.
  void own_server(const std::string& name, const Json& containers, std::string& uri) {
    const Json& first = containers.front();
    if (name == "predictor")
      one_of("spec.predictor.containers: the variable PROTOCOL of the first one",
             variable_of(first, "PROTOCOL"), {"v1", "v2"});
    for (const Json& container : containers) {
      const bool serves = name == "predictor"
                              ? text_of(field_at(container, "name")) == "kserve-container"
                              : container == first;
      const Json& place = variable_of(container, "STORAGE_URI");
      if (serves && place.is_string()) uri = place;
    }
  }

  // The model lies encrypted, and a key broker service has its key.
  void confidential(const Json& predictor, const Names& frameworks) {
    for (const auto& [field, value] : predictor.items()) {
      const Json& wanted = field_at(value, "confidential");
      if (frameworks.count(field) == 0 || field_at(wanted, "enabled") != Json(true)) continue;
      const std::string path = "spec.predictor." + field + ".confidential";
      const Json& uri = field_at(value, "storageUri");
      if (!uri.is_string() || uri.get<std::string>().empty())
        say(path, " needs storageUri");
      else if (text_of(uri).starts_with("oci://") || text_of(uri).starts_with("pvc://"))
        say(path, " has no effect on ", text_of(uri), ", which no storage initializer fetches");
      const Json& key = field_at(wanted, "resourceId");
      if (key.is_string() && !key.get<std::string>().empty() && !is_key_resource(text_of(key)))
        say(path, ".resourceId must be kbs:///REPOSITORY/TYPE/TAG, got ", text_of(key));
    }
  }

  static bool is_key_resource(const std::string& text) {
    const std::string start = "kbs:///";
    if (!text.starts_with(start)) return false;
    int parts = 1;
    std::size_t length = 0;  // of the part
    for (const char letter : text.substr(start.size())) {
      if (letter == '/') {
        if (length == 0) return false;
        ++parts;
        length = 0;
      } else if (std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' ||
                 letter == '.' || letter == '-') {
        ++length;
      } else {
        return false;
      }
    }
    constexpr int kParts = 3;
    return parts == kParts && length > 0;
  }

  void storage(const std::string& uri) {
    for (const char* known : {"gs://", "s3://", "pvc://", "file://", "https://", "http://",
                              "hdfs://", "webhdfs://", "oci://", "hf://", "abfs://", "/mnt/"}) {
      if (uri.rfind(known, 0) == 0 && uri.size() > std::string(known).size()) return;
    }
    say("storageUri ", uri, " begins with nothing that KServe's storage initializer knows");
  }

  void storage_uris(const std::string& path, const Json& part, bool has_uri) {
    const Json& uris = field_at(part, "storageUris");
    if (uris.is_null()) return;
    if (has_uri) say(path, " has both storageUri and storageUris");
    for (const Json& one : uris) {
      if (text_of(field_at(one, "uri")).empty() || field_at(one, "uri").is_null())
        say(path, ".storageUris has an entry without uri");
      const Json& mount = field_at(one, "mountPath");
      const std::string place = mount.is_null() ? "/mnt/models" : text_of(mount);
      if (!place.starts_with('/') || place == "/" || place.find("..") != std::string::npos)
        say(path, ".storageUris: the mountPath must be a folder from /, without '..', got ", place);
    }
  }

  void replicas(const std::string& path, const Json& part) {
    const auto count = [&](const char* name) -> std::int64_t {
      const Json& value = field_at(part, name);
      if (value.is_null()) return -1;
      if (!value.is_number_integer() || value.get<std::int64_t>() < 0) {
        say(path, ".", name, " must be a whole number from 0, got ", value.dump());
        return -1;
      }
      return value.get<std::int64_t>();
    };
    const std::int64_t least = count("minReplicas"), most = count("maxReplicas");
    if (least >= 0 && most > 0 && least > most)
      say(path, ".minReplicas cannot exceed maxReplicas (", most, "), got ", least);
    const std::int64_t canary = count("canaryTrafficPercent");
    if (canary > 100) say(path, ".canaryTrafficPercent must be at most 100, got ", canary);
    if (standard_ && least == 0)
      say(path, ".minReplicas of 0 becomes 1 in the mode ", deployment_,
          "; only Knative scales to zero");
    if (standard_ && canary >= 0)
      say(path, ".canaryTrafficPercent has no effect in the mode ", deployment_);
  }

  void scaling(const std::string& path, const Json& part) {
    const Json& metric = field_at(part, "scaleMetric");
    const Json& target = field_at(part, "scaleTarget");
    const bool number = target.is_number();
    const bool knative_hpa =
        !standard_ && annotation("autoscaling.knative.dev/class") == "hpa.autoscaling.knative.dev";
    const bool keda = standard_ && autoscaler_ == "keda";
    const bool hpa = knative_hpa || (standard_ && autoscaler_ == "hpa");
    if (keda || hpa)
      take(metric_mistakes(path + ".autoScaling.metrics", field_at(part, "autoScaling.metrics"),
                           keda));
    if (keda) {
      if (!metric.is_null()) say(path, ".scaleMetric is not for the autoscaler keda");
    } else if (hpa) {
      one_of(path + ".scaleMetric", metric, {"cpu", "memory"});
      if (number && (target < 1 || target > 100))
        say(path, ".scaleTarget is a percentage from 1 to 100, got ", target.dump());
    } else if (!standard_) {
      one_of(path + ".scaleMetric", metric, {"concurrency", "rps"});
      if (number && metric == Json("rps") && target < 1)
        say(path, ".scaleTarget of rps must be at least 1, got ", target.dump());
      if (!field_at(part, "deploymentStrategy").is_null())
        say(path, ".deploymentStrategy is for the mode Standard alone");
    }
  }

  // A transformer beside the predictor in its pod reads no model of its own.
  void collocated(const std::string& path, const Json& part) {
    for (const Json& container : field_at(part, "containers")) {
      if (text_of(field_at(container, "name")) != "transformer-container") continue;
      for (const Json& variable : field_at(container, "env")) {
        if (text_of(field_at(variable, "name")) == "STORAGE_URI")
          say(path, ".containers: the transformer-container cannot have STORAGE_URI");
      }
    }
  }

  void workers(const Json& predictor) {
    const Json& spec = field_at(predictor, "workerSpec");
    if (!spec.is_object()) return;
    add_worker_mistakes("spec.predictor.workerSpec", spec, mistakes_);
    if (autoscaler_ != "none")
      say("spec.predictor.workerSpec needs the annotation serving.kserve.io/autoscalerClass: none");
  }

  const Json& service_;
  std::string deployment_, autoscaler_;
  bool standard_ = false;
  std::vector<std::string> mistakes_;
};

// Formats that KServe chooses by itself: name and version -> priority, or null.
std::map<std::string, Json> chosen_formats(const Json& runtime) {
  std::map<std::string, Json> formats;
  for (const Json& format : field_at(runtime, "spec.supportedModelFormats")) {
    if (field_at(format, "autoSelect") == Json(true))
      formats[text_of(field_at(format, "name")) + " " + text_of(field_at(format, "version"))] =
          field_at(format, "priority");
  }
  return formats;
}

bool share_protocol(const Json& one, const Json& other) {
  const Json& mine = field_at(one, "spec.protocolVersions");
  const Json& theirs = field_at(other, "spec.protocolVersions");
  return std::find_first_of(mine.begin(), mine.end(), theirs.begin(), theirs.end()) != mine.end();
}

}  // namespace

std::vector<std::string> inference_service_mistakes(const Json& service) {
  return ServiceRules(service).run();
}

bool is_serving_runtime(const Json& resource) {
  const std::string kind = text_of(field_at(resource, "kind"));
  return kind == "ServingRuntime" || kind == "ClusterServingRuntime";
}

std::vector<std::string> serving_runtime_mistakes(const Json& runtime) {
  std::vector<std::string> mistakes;
  const Json& containers = field_at(runtime, "spec.containers");
  const bool named = std::any_of(containers.begin(), containers.end(), [](const Json& one) {
    return text_of(field_at(one, "name")) == "kserve-container";
  });
  if (!named) mistakes.push_back("spec.containers must have one named kserve-container");
  if (field_at(runtime, "spec.supportedModelFormats").empty())
    mistakes.push_back("spec.supportedModelFormats must name at least one format");
  std::map<std::string, Json> priorities;
  for (const Json& format : field_at(runtime, "spec.supportedModelFormats")) {
    const Json& priority = field_at(format, "priority");
    const std::string name = text_of(field_at(format, "name"));
    if (priority.is_null()) continue;
    if (!priority.is_number_integer() || priority < 1)
      mistakes.push_back("the priority of a model format must be above 0, got " + priority.dump());
    if (field_at(format, "autoSelect") != Json(true)) continue;
    const auto [known, fresh] = priorities.emplace(name, priority);
    if (!fresh && known->second != priority)
      mistakes.push_back("the model format " + name + " has two priorities, " +
                         known->second.dump() + " and " + priority.dump());
  }
  add_worker_mistakes("spec.workerSpec", field_at(runtime, "spec.workerSpec"), mistakes);
  for (std::string& mistake : runtime_variable_mistakes(runtime))
    mistakes.push_back(std::move(mistake));
  return mistakes;
}

std::vector<std::pair<std::size_t, std::string>> serving_runtime_conflicts(
    const std::vector<Json>& resources) {
  std::vector<std::pair<std::size_t, std::string>> conflicts;
  for (std::size_t i = 0; i < resources.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const Json &one = resources[j], &other = resources[i];
      if (!is_serving_runtime(one) || !is_serving_runtime(other) ||
          field_at(one, "kind") != field_at(other, "kind") ||
          field_at(one, "metadata.namespace") != field_at(other, "metadata.namespace") ||
          field_at(one, "metadata.name") == field_at(other, "metadata.name") ||
          !share_protocol(one, other))
        continue;
      const std::map<std::string, Json> mine = chosen_formats(one);
      for (const auto& [format, priority] : chosen_formats(other)) {
        const auto known = mine.find(format);
        if (known != mine.end() && !priority.is_null() && known->second == priority)
          conflicts.emplace_back(i, "the runtimes " + text_of(field_at(one, "metadata.name")) +
                                        " and " + text_of(field_at(other, "metadata.name")) +
                                        " have the same priority, " + priority.dump() +
                                        ", for the model format " + format);
      }
    }
  }
  return conflicts;
}

}  // namespace jetcal::pipeline
