// SPDX-License-Identifier: Apache-2.0
// Kubeflow Pipelines IR: PipelineSpec 2.1.0.
#include <algorithm>

#include "jetcal/pipeline/detail/container_command.h"
#include "jetcal/pipeline/render.h"

namespace jetcal::pipeline {
namespace {

const char* kfp_type(Type type) {
  switch (type) {
    case Type::Integer:
      return "NUMBER_INTEGER";
    case Type::Number:
      return "NUMBER_DOUBLE";
    case Type::Boolean:
      return "BOOLEAN";
    case Type::List:
      return "LIST";
    case Type::Struct:
      return "STRUCT";
    default:
      return "STRING";
  }
}

Json schema(Type type) {
  return {{"schemaTitle", "system." + std::string(type_name(type))}, {"schemaVersion", "0.0.1"}};
}

// Our conditions in CEL, as the backend evaluates them.
std::string cel(const Expression& expression) {
  using Kind = Expression::Kind;
  const auto joined = [&](const char* token) {
    return "(" + cel(expression.operands[0]) + " " + token + " " + cel(expression.operands[1]) +
           ")";
  };
  switch (expression.kind) {
    case Kind::Literal:
      if (expression.literal.is_string()) return "'" + expression.literal.get<std::string>() + "'";
      return expression.literal.dump();
    case Kind::Reference:
      return "inputs.parameter_values['" + expression.reference.text + "']";
    case Kind::Not:
      return "!(" + cel(expression.operands[0]) + ")";
    case Kind::And:
      return joined("&&");
    case Kind::Or:
      return joined("||");
    case Kind::Equal:
      return joined("==");
    case Kind::NotEqual:
      return joined("!=");
    case Kind::Less:
      return joined("<");
    case Kind::LessEqual:
      return joined("<=");
    case Kind::Greater:
      return joined(">");
    case Kind::GreaterEqual:
      return joined(">=");
  }
  return "";
}

class KfpWriter {
 public:
  KfpWriter(const Pipeline& pipeline, const RenderOptions& options)
      : pipeline_(pipeline), options_(options) {}

  std::vector<Json> write() {
    Json tasks = Json::object();
    for (const ExternalInput& input : pipeline_.inputs) add_importer(input, tasks);
    for (const Step* step : in_order(pipeline_)) {
      check(*step);
      add_step(*step, tasks);
    }
    Json spec = {{"pipelineInfo", {{"name", pipeline_.name}}},
                 {"schemaVersion", "2.1.0"},
                 {"sdkVersion", "kfp-2.17.0"}};
    if (!pipeline_.description.empty()) spec["pipelineInfo"]["description"] = pipeline_.description;
    spec["components"] = components_;
    spec["deploymentSpec"]["executors"] = executors_;
    spec["root"]["dag"]["tasks"] = tasks;
    if (Json inputs = root_parameters(); !inputs.empty())
      spec["root"]["inputDefinitions"]["parameters"] = inputs;
    std::vector<Json> documents{spec};
    if (!secrets_.empty())
      documents.push_back(
          {{"platforms", {{"kubernetes", {{"deploymentSpec", {{"executors", secrets_}}}}}}}});
    return documents;
  }

 private:
  [[noreturn]] void cannot(const Step& step, const std::string& what) const {
    fail(ErrorCode::Unimplemented, "the step '", step.name, "' ", what,
         ", which Kubeflow Pipelines cannot give to a container; Argo can: --format argo");
  }

  void check(const Step& step) const {
    if (step.fan_out) cannot(step, "runs once per item and is collected or fanned out here");
    for (const InputPort& port : step.inputs) {
      if (port.optional) cannot(step, "has the optional input '" + port.name + "'");
    }
  }

  Json root_parameters() const {
    Json inputs = Json::object();
    for (const Parameter& parameter : pipeline_.parameters) {
      Json& one = inputs[parameter.name];
      const auto value = options_.parameters.find(parameter.name);
      if (value != options_.parameters.end()) {
        one["defaultValue"] = value->second;
      } else if (parameter.fallback) {
        one["defaultValue"] = *parameter.fallback;
      }
      if (!parameter.description.empty()) one["description"] = parameter.description;
      if (one.contains("defaultValue")) one["isOptional"] = true;
      one["parameterType"] = kfp_type(parameter.type);
    }
    for (const ExternalInput& input : pipeline_.inputs)
      inputs[input.name + "_uri"] = {{"defaultValue", uri(input)},
                                     {"description", "where the input " + input.name + " lies"},
                                     {"isOptional", true},
                                     {"parameterType", "STRING"}};
    return inputs;
  }

  std::string uri(const ExternalInput& input) const {
    const std::string path = input.paths.empty() ? input.name : input.paths.front();
    if (path.find("://") != std::string::npos) return path;
    return options_.bucket.empty() ? path : "s3://" + options_.bucket + "/" + path;
  }

  // Data from outside enters by an importer, as kfp has it.
  void add_importer(const ExternalInput& input, Json& tasks) {
    const std::string name = "import-" + input.name;
    components_["comp-" + name] = {
        {"executorLabel", "exec-" + name},
        {"inputDefinitions", {{"parameters", {{"uri", {{"parameterType", "STRING"}}}}}}},
        {"outputDefinitions",
         {{"artifacts", {{"artifact", {{"artifactType", schema(input.type)}}}}}}}};
    executors_["exec-" + name]["importer"] = {{"artifactUri", {{"runtimeParameter", "uri"}}},
                                              {"typeSchema", schema(input.type)}};
    tasks[name] = {
        {"cachingOptions", {{"enableCache", true}}},
        {"componentRef", {{"name", "comp-" + name}}},
        {"inputs", {{"parameters", {{"uri", {{"componentInputParameter", input.name + "_uri"}}}}}}},
        {"taskInfo", {{"name", name}}}};
  }

  Json task_input(const InputPort& port) const {
    switch (port.source.kind) {
      case Source::Kind::Constant:
        return {{"runtimeValue", {{"constant", port.source.constant}}}};
      case Source::Kind::Parameter:
        return {{"componentInputParameter", port.source.name}};
      case Source::Kind::External:
        return {
            {"taskOutputArtifact",
             {{"outputArtifactKey", "artifact"}, {"producerTask", "import-" + port.source.name}}}};
      default:
        break;
    }
    if (is_artifact(port.type))
      return {{"taskOutputArtifact",
               {{"outputArtifactKey", port.source.name}, {"producerTask", port.source.step}}}};
    return {{"taskOutputParameter",
             {{"outputParameterKey", port.source.name}, {"producerTask", port.source.step}}}};
  }

  std::vector<std::string> dependencies(const Step& step) const {
    std::vector<std::string> names = needs(pipeline_, step);
    for (const InputPort& port : step.inputs) {
      const std::string name = "import-" + port.source.name;
      if (port.source.kind == Source::Kind::External &&
          std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  void add_step(const Step& step, Json& tasks) {
    Json component = {{"executorLabel", "exec-" + step.name}};
    Json task = {{"cachingOptions", step.cache ? Json{{"enableCache", true}} : Json::object()},
                 {"componentRef", {{"name", "comp-" + step.name}}}};
    if (const auto before = dependencies(step); !before.empty()) task["dependentTasks"] = before;
    for (const InputPort& port : step.inputs) {
      const bool artifact = is_artifact(port.type);
      const char* group = artifact ? "artifacts" : "parameters";
      component["inputDefinitions"][group][port.name] =
          artifact ? Json{{"artifactType", schema(port.type)}}
                   : Json{{"parameterType", kfp_type(port.type)}};
      task["inputs"][group][port.name] = task_input(port);
    }
    for (const std::string& name : used_parameters(pipeline_, step)) {
      component["inputDefinitions"]["parameters"][name]["parameterType"] =
          kfp_type(pipeline_.find_parameter(name)->type);
      task["inputs"]["parameters"][name]["componentInputParameter"] = name;
    }
    for (const OutputPort& port : step.outputs) {
      if (is_artifact(port.type)) {
        component["outputDefinitions"]["artifacts"][port.name]["artifactType"] = schema(port.type);
      } else {
        component["outputDefinitions"]["parameters"][port.name]["parameterType"] =
            kfp_type(port.type);
      }
    }
    if (step.retries.limit > 0)
      task["retryPolicy"] = {{"maxRetryCount", step.retries.limit},
                             {"backoffDuration", seconds(step.retries.delay)},
                             {"backoffFactor", step.retries.factor},
                             {"backoffMaxDuration", seconds(step.retries.max_delay)}};
    task["taskInfo"]["name"] = step.name;
    if (step.condition) task["triggerPolicy"]["condition"] = cel(*step.condition);
    components_["comp-" + step.name] = component;
    executors_["exec-" + step.name]["container"] = container(step);
    tasks[step.name] = task;
  }

  static std::string seconds(double value) {
    return std::to_string(static_cast<std::int64_t>(value + 0.5)) + "s";
  }

  Json container(const Step& step) {
    Placeholders names;
    names.parameter = [](const std::string& name) {
      return "{{$.inputs.parameters['" + name + "']}}";
    };
    names.input = [](const InputPort& port) {
      return is_artifact(port.type) ? "{{$.inputs.artifacts['" + port.name + "'].path}}"
                                    : "{{$.inputs.parameters['" + port.name + "']}}";
    };
    names.output = [](const OutputPort& port) {
      return is_artifact(port.type) ? "{{$.outputs.artifacts['" + port.name + "'].path}}"
                                    : "{{$.outputs.parameters['" + port.name + "'].output_file}}";
    };
    names.item = [](const std::string&) { return std::string(); };
    const std::vector<std::string> line = container_command(step, names);
    Json container;
    container["image"] = !step.image.empty()        ? step.image
                         : !pipeline_.image.empty() ? pipeline_.image
                                                    : options_.image;
    container["command"] = {line.front()};
    container["args"] = std::vector<std::string>(line.begin() + 1, line.end());
    for (const auto& [name, word] : step.environment)
      container["env"].push_back({{"name", name}, {"value", container_word(step, word, names)}});
    Json& resources = container["resources"];
    resources["cpuLimit"] = step.resources.cores;
    resources["resourceCpuLimit"] = cores_text(step.resources.cores);
    if (step.resources.memory > 0) {
      resources["memoryLimit"] = static_cast<double>(step.resources.memory) / 1e9;
      resources["resourceMemoryLimit"] = memory_text(step.resources.memory);
    }
    if (step.resources.gpus > 0)
      resources["accelerator"] = {{"count", std::to_string(step.resources.gpus)},
                                  {"resourceCount", std::to_string(step.resources.gpus)},
                                  {"resourceType", "nvidia.com/gpu"},
                                  {"type", "nvidia.com/gpu"}};
    add_secrets(step);
    return container;
  }

  void add_secrets(const Step& step) {
    if (step.pass.empty()) return;
    Json pairs = Json::array();
    for (const std::string& name : step.pass)
      pairs.push_back({{"envVar", name}, {"secretKey", name}});
    secrets_["exec-" + step.name]["secretAsEnv"] =
        Json::array({{{"keyToEnv", pairs}, {"secretName", options_.secret}}});
  }

  const Pipeline& pipeline_;
  const RenderOptions& options_;
  Json components_ = Json::object(), executors_ = Json::object(), secrets_ = Json::object();
};

}  // namespace

std::vector<Json> render_kfp(const Pipeline& pipeline, const RenderOptions& options) {
  validate(options);
  return KfpWriter(pipeline, options).write();
}

}  // namespace jetcal::pipeline
