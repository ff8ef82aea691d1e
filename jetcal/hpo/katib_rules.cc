// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/katib_rules.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <regex>
#include <set>

#include "jetcal/base/config.h"
#include "jetcal/base/error.h"
#include "jetcal/base/number.h"

namespace jetcal::hpo {

namespace {

constexpr std::size_t kLongestName = 40;
constexpr int kDefaultParallel = 3;

bool one_of(const std::string& word, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&](const char* each) { return word == each; });
}

// The node below a mapping's fields; one that is not defined where any of them is absent.
template <typename... Keys>
YAML::Node at(const YAML::Node& node, const char* key, Keys... below) {
  if (!node.IsDefined() || !node.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
  const YAML::Node found = node[key];
  if (!found.IsDefined()) return YAML::Node(YAML::NodeType::Undefined);
  if constexpr (sizeof...(Keys) == 0) {
    return found;
  } else {
    return at(found, below...);
  }
}

std::string text_of(const YAML::Node& node) {
  return node.IsDefined() && node.IsScalar() ? node.Scalar() : std::string();
}

// Collects what is wrong, by field.
class Check {
 public:
  explicit Check(const YAML::Node& manifest) : manifest_(manifest), spec_(at(manifest, "spec")) {}

  std::vector<std::string> run() {
    check_head();
    if (!spec_.IsMap()) {
      say("spec", "must be a mapping");
      return std::move(mistakes_);
    }
    check_counts();
    check_objective();
    check_algorithms();
    check_parameters();
    check_template();
    check_collector();
    return std::move(mistakes_);
  }

 private:
  void say(const std::string& field, const std::string& sentence) {
    mistakes_.push_back(field + ": " + sentence);
  }

  void check_head() {
    if (text_of(at(manifest_, "apiVersion")) != "kubeflow.org/v1beta1")
      say("apiVersion", "must be kubeflow.org/v1beta1");
    if (text_of(at(manifest_, "kind")) != "Experiment") say("kind", "must be Experiment");
    const std::string name = text_of(at(manifest_, "metadata", "name"));
    static const std::regex kName("[a-z]([-a-z0-9]*[a-z0-9])?");
    if (!std::regex_match(name, kName) || name.size() > kLongestName) {
      say("metadata.name",
          "must be lower case letters, digits and '-', begin with a letter, end with no '-' and "
          "have at most 40 characters, is '" +
              name + "'");
    }
  }

  std::optional<long> count_of(const char* field, long least) {
    const YAML::Node node = at(spec_, field);
    if (!node.IsDefined() || node.IsNull()) return std::nullopt;
    const std::string text = text_of(node);
    const std::optional<long> value = parse_number<long>(text);
    const std::string where = std::string("spec.") + field;
    if (!value || node.Tag() == "!") {
      say(where, "must be an integer, is '" + text + "'");
      return std::nullopt;
    }
    if (*value < least) {
      say(where, "must be at least " + std::to_string(least) + ", is " + text);
    }
    return value;
  }

  void check_counts() {
    const auto most = count_of("maxTrialCount", 1);
    const auto failed = count_of("maxFailedTrialCount", 0);
    const auto parallel = count_of("parallelTrialCount", 1);
    const auto bounded = [&](const char* field, long value) {
      if (most && value > *most) {
        say(std::string("spec.") + field, "must be at most maxTrialCount (" +
                                              std::to_string(*most) + "), is " +
                                              std::to_string(value));
      }
    };
    if (failed) bounded("maxFailedTrialCount", *failed);
    bounded("parallelTrialCount", parallel.value_or(kDefaultParallel));
    if (!one_of(text_of(at(spec_, "resumePolicy")), {"", "Never", "LongRunning", "FromVolume"}))
      say("spec.resumePolicy", "must be Never, LongRunning or FromVolume");
  }

  void check_objective() {
    const YAML::Node objective = at(spec_, "objective");
    if (!objective.IsMap()) {
      say("spec.objective", "must be given");
      return;
    }
    if (!one_of(text_of(at(objective, "type")), {"minimize", "maximize"}))
      say("spec.objective.type", "must be minimize or maximize");
    const std::string metric = text_of(at(objective, "objectiveMetricName"));
    if (metric.empty()) say("spec.objective.objectiveMetricName", "must be given");
    for (const YAML::Node& other : at(objective, "additionalMetricNames")) {
      if (text_of(other) == metric) {
        say("spec.objective.additionalMetricNames",
            "must not hold the objective '" + metric + "' again");
      }
    }
  }

  void check_algorithms() {
    if (text_of(at(spec_, "algorithm", "algorithmName")).empty())
      say("spec.algorithm.algorithmName", "must be given");
    if (at(spec_, "earlyStopping").IsDefined() &&
        text_of(at(spec_, "earlyStopping", "algorithmName")).empty())
      say("spec.earlyStopping.algorithmName", "must be given");
  }

  void check_text(const YAML::Node& node, const std::string& where) {
    // A plain scalar that reads as another type than text is one, to Kubernetes.
    static const std::regex kOther(
        R"([-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|true|false|null|~|True|False|Null|TRUE|FALSE)");
    if (node.IsDefined() &&
        (!node.IsScalar() || (node.Tag() == "?" && std::regex_match(node.Scalar(), kOther))))
      say(where, "must be text: put " + text_of(node) + " in quotes");
  }

  void check_space(const YAML::Node& space, const std::string& kind, const std::string& where) {
    for (const char* field : {"min", "max", "step"})
      check_text(at(space, field), where + "." + field);
    for (std::size_t i = 0; i < at(space, "list").size(); ++i)
      check_text(at(space, "list")[i], where + ".list[" + std::to_string(i) + "]");
    if (!one_of(text_of(at(space, "distribution")),
                {"", "uniform", "logUniform", "normal", "logNormal"}))
      say(where + ".distribution", "must be uniform, logUniform, normal or logNormal");
    const bool range = at(space, "min").IsDefined() || at(space, "max").IsDefined() ||
                       at(space, "step").IsDefined();
    const bool list = at(space, "list").size() > 0;
    if (one_of(kind, {"double", "int"})) {
      if (list) say(where + ".list", "is not for parameterType " + kind);
      check_range(space, kind, where);
    }
    if (one_of(kind, {"categorical", "discrete"})) {
      if (!list) say(where + ".list", "must be given for parameterType " + kind);
      if (range) say(where, "must not have min, max or step for parameterType " + kind);
    }
  }

  // The webhook wants min and max to be there; what they say is read by the algorithm, too late.
  void check_range(const YAML::Node& space, const std::string& kind, const std::string& where) {
    const std::string low = text_of(at(space, "min")), high = text_of(at(space, "max"));
    if (low.empty() || high.empty()) {
      say(where, "needs min and max for parameterType " + kind);
      return;
    }
    const auto number = [&](const char* field) {
      const std::optional<double> value = parse_signed_number<double>(text_of(at(space, field)));
      if (!value || !std::isfinite(*value))
        say(where + "." + field, "must be a number, is '" + text_of(at(space, field)) + "'");
      return value;
    };
    const std::optional<double> least = number("min"), most = number("max");
    if (least && most && !(*least < *most))
      say(where + ".min", "must be below max (" + high + "), is " + low);
    if (at(space, "step").IsDefined() && number("step").value_or(1) <= 0)
      say(where + ".step", "must be above 0, is " + text_of(at(space, "step")));
    if (text_of(at(space, "distribution")) == "logUniform" && least.value_or(1) <= 0)
      say(where + ".min", "must be above 0 for logUniform, is " + low);
  }

  void check_parameters() {
    const YAML::Node parameters = at(spec_, "parameters");
    const bool architecture = at(spec_, "nasConfig").IsDefined();
    if (parameters.size() == 0 && !architecture)
      say("spec.parameters", "or spec.nasConfig must be given");
    if (parameters.size() > 0 && architecture)
      say("spec.nasConfig", "must not be given beside spec.parameters");
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const std::string where = "spec.parameters[" + std::to_string(i) + "]";
      const std::string kind = text_of(at(parameters[i], "parameterType"));
      const std::string name = text_of(at(parameters[i], "name"));
      if (name.empty()) say(where + ".name", "must be given");
      if (!names_.insert(name).second) say(where + ".name", "'" + name + "' is there twice");
      if (!one_of(kind, {"double", "int", "discrete", "categorical"}))
        say(where + ".parameterType", "must be double, int, discrete or categorical");
      const YAML::Node space = at(parameters[i], "feasibleSpace");
      if (!space.IsMap() || space.size() == 0) {
        say(where + ".feasibleSpace", "must be given");
      } else {
        check_space(space, kind, where + ".feasibleSpace");
      }
    }
  }

  void check_template() {
    const std::string where = "spec.trialTemplate";
    const YAML::Node trial = at(spec_, "trialTemplate");
    if (!trial.IsMap()) {
      say(where, "must be given");
      return;
    }
    if (text_of(at(trial, "primaryContainerName")).empty())
      say(where + ".primaryContainerName", "must be given");
    if (!at(trial, "trialParameters").IsSequence())
      say(where + ".trialParameters", "must be given");
    const bool inside = at(trial, "trialSpec").IsDefined(),
               map = at(trial, "configMap").IsDefined();
    if (inside == map) {
      say(where, "must have one of trialSpec and configMap");
      return;
    }
    if (map) {
      for (const char* field : {"configMapName", "configMapNamespace", "templatePath"})
        if (text_of(at(trial, "configMap", field)).empty())
          say(where + ".configMap." + field, "must be given");
      return;
    }
    check_trial_parameters(trial);
    check_trial_spec(trial);
  }

  // `${trialSpec.Name}` and the like, which Katib fills in itself.
  static bool is_of_trial(const std::string& reference) {
    static const std::regex kMeta(
        R"(\$\{trialSpec\.(Name|Namespace|Kind|APIVersion|(Annotations|Labels)\[.+\])\})");
    return std::regex_match(reference, kMeta);
  }

  void check_trial_parameters(const YAML::Node& trial) {
    const YAML::Node parameters = at(trial, "trialParameters");
    YAML::Emitter emitter;
    emitter << at(trial, "trialSpec");
    const std::string text = emitter.c_str();
    std::set<std::string> names, references;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const std::string where = "spec.trialTemplate.trialParameters[" + std::to_string(i) + "]";
      const std::string name = text_of(at(parameters[i], "name"));
      const std::string reference = text_of(at(parameters[i], "reference"));
      if (name.empty() || reference.empty() || name.find_first_of("{}") != std::string::npos) {
        say(where, "needs name and reference, and no '{' or '}' in the name");
        continue;
      }
      if (!names.insert(name).second) say(where + ".name", "'" + name + "' is there twice");
      if (!references.insert(reference).second)
        say(where + ".reference", "'" + reference + "' is there twice");
      if (!names_.empty() && !is_of_trial(reference) && !names_.contains(reference))
        say(where + ".reference", "'" + reference + "' is none of spec.parameters");
      if (text.find("${trialParameters." + name + "}") == std::string::npos)
        say(where + ".name", "'" + name + "' does not occur in the trialSpec");
    }
    static const std::regex kUse(R"(\$\{trialParameters\.(.+?)\})");
    std::set<std::string> told;
    for (std::sregex_iterator use(text.begin(), text.end(), kUse), end; use != end; ++use) {
      const std::string name = (*use)[1];
      if (names.contains(name) || !told.insert(name).second) continue;
      say("spec.trialTemplate.trialSpec",
          "uses ${trialParameters." + name + "}, which is none of the trialParameters");
    }
  }

  void check_trial_spec(const YAML::Node& trial) {
    const std::string where = "spec.trialTemplate.trialSpec";
    const YAML::Node job = at(trial, "trialSpec");
    const std::string kind = text_of(at(job, "kind"));
    if (text_of(at(job, "apiVersion")).empty() || kind.empty())
      say(where, "must have apiVersion and kind");
    for (const char* field : {"name", "namespace"})
      if (!text_of(at(job, "metadata", field)).empty())
        say(where + ".metadata." + field, "must be left out: Katib gives it");
    const bool known =
        one_of(kind, {"Job", "TFJob", "PyTorchJob", "XGBoostJob", "MPIJob", "TrainJob"});
    for (const char* field : {"successCondition", "failureCondition"})
      if (!known && text_of(at(trial, field)).empty())
        say(std::string("spec.trialTemplate.") + field,
            "must be given for a trial of kind '" + kind + "'");
    if (kind == "Job" && at(job, "spec", "template", "spec", "containers").size() == 0)
      say(where + ".spec.template.spec.containers", "must be given for a Job");
  }

  void check_collector() {
    const YAML::Node collector = at(spec_, "metricsCollectorSpec");
    const std::string where = "spec.metricsCollectorSpec";
    const std::string given = text_of(at(collector, "collector", "kind"));
    const std::string kind = given.empty() ? "StdOut" : given;
    const YAML::Node path = at(collector, "source", "fileSystemPath");
    const std::string file = text_of(at(path, "path")), format = text_of(at(path, "format"));
    if (!one_of(kind,
                {"StdOut", "File", "TensorFlowEvent", "PrometheusMetric", "Custom", "Push"})) {
      say(where + ".collector.kind",
          "must be StdOut, File, TensorFlowEvent, PrometheusMetric, Custom or Push, is '" + kind +
              "'");
    }
    if (one_of(kind, {"File", "TensorFlowEvent"}) && !file.empty() && !file.starts_with('/'))
      say(where + ".source.fileSystemPath.path", "must begin with '/', is '" + file + "'");
    if (kind == "File") {
      if (!one_of(text_of(at(path, "kind")), {"", "File"}))
        say(where + ".source.fileSystemPath.kind", "must be File");
      if (!one_of(format, {"", "TEXT", "JSON"}))
        say(where + ".source.fileSystemPath.format", "must be TEXT or JSON");
      if (format == "JSON" && at(collector, "source", "filter").IsDefined())
        say(where + ".source.filter", "must be left out for the format JSON");
    }
    if (kind == "TensorFlowEvent") {
      if (!one_of(text_of(at(path, "kind")), {"", "Directory"}))
        say(where + ".source.fileSystemPath.kind", "must be Directory");
      if (!format.empty()) say(where + ".source.fileSystemPath.format", "must be left out");
    }
    if (kind == "Custom" && !at(collector, "collector", "customCollector").IsDefined())
      say(where + ".collector.customCollector", "must be given for the kind Custom");
    for (const YAML::Node& filter : at(collector, "source", "filter", "metricsFormat")) {
      const std::string text = text_of(filter);
      const auto groups = std::count(text.begin(), text.end(), '(');
      if (groups < 2)
        say(where + ".source.filter.metricsFormat",
            "'" + text + "' needs two groups, for name and value");
    }
    if (one_of(kind, {"StdOut", "File"})) check_command();
  }

  // Finds the primary container, wherever the kind of job keeps it.
  void find_container(const YAML::Node& node, const std::string& name, YAML::Node& found) const {
    if (node.IsMap()) {
      for (const auto& entry : node) {
        if (entry.first.Scalar() == "containers" && entry.second.IsSequence()) {
          for (const YAML::Node& container : entry.second)
            if (text_of(at(container, "name")) == name) found.reset(container);
        }
        find_container(entry.second, name, found);
      }
    } else if (node.IsSequence()) {
      for (const YAML::Node& item : node) find_container(item, name, found);
    }
  }

  void check_command() {
    const YAML::Node trial = at(spec_, "trialTemplate");
    const YAML::Node job = at(trial, "trialSpec");
    if (!job.IsDefined()) return;
    YAML::Node container(YAML::NodeType::Undefined);
    if (text_of(at(job, "kind")) == "TrainJob") {
      container.reset(at(job, "spec", "trainer"));
    } else {
      const YAML::Node master = at(job, "spec", "pytorchReplicaSpecs", "Master");
      find_container(master.IsDefined() ? master : job, text_of(at(trial, "primaryContainerName")),
                     container);
    }
    if (!container.IsDefined() || !container.IsMap()) {
      say("spec.trialTemplate.primaryContainerName",
          "no container of the trialSpec has the name '" +
              text_of(at(trial, "primaryContainerName")) + "'");
    } else if (!at(container, "command").IsSequence() || at(container, "command").size() == 0) {
      say("spec.trialTemplate.trialSpec",
          "the primary container needs a command: Katib wraps it in a shell to read the metrics");
    }
  }

  const YAML::Node manifest_, spec_;  // const: looking a field up must not add it
  std::vector<std::string> mistakes_;
  std::set<std::string> names_;  // of the parameters
};

}  // namespace

std::vector<std::string> katib_mistakes(const std::string& manifest, const std::string& source) {
  Config::parse(manifest, source);  // says what is no YAML mapping, and where
  return Check(YAML::Load(manifest)).run();
}

}  // namespace jetcal::hpo
