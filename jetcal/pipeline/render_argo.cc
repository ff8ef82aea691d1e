// SPDX-License-Identifier: Apache-2.0
// Argo Workflow, and the ScheduledWorkflow of Kubeflow Pipelines around it.
#include <algorithm>
#include <cmath>

#include "jetcal/pipeline/detail/container_command.h"
#include "jetcal/pipeline/detail/json_field.h"
#include "jetcal/pipeline/render.h"
#include "jetcal/store/object_store.h"

namespace jetcal::pipeline {
namespace {

class ArgoWriter {
 public:
  ArgoWriter(const Pipeline& pipeline, const RenderOptions& options)
      : pipeline_(pipeline), options_(options) {}

  Json write() {
    Json spec;
    spec["entrypoint"] = "pipeline";
    spec["serviceAccountName"] = options_.service_account;
    if (Json parameters = workflow_parameters(); !parameters.empty())
      spec["arguments"]["parameters"] = parameters;
    Json tasks = Json::array();
    for (const Step* step : in_order(pipeline_)) tasks.push_back(task(*step));
    spec["templates"] = Json::array();
    spec["templates"].push_back({{"name", "pipeline"}, {"dag", {{"tasks", tasks}}}});
    for (const Step& step : pipeline_.steps) spec["templates"].push_back(step_template(step));
    if (uses_claim_) {
      Json volume = {{"name", "data"}};
      volume["persistentVolumeClaim"]["claimName"] = options_.claim;
      volume["persistentVolumeClaim"]["readOnly"] = true;
      spec["volumes"] = Json::array({volume});
    }
    Json workflow = {{"apiVersion", "argoproj.io/v1alpha1"}, {"kind", "Workflow"}};
    workflow["metadata"] = {{"generateName", pipeline_.name + "-"},
                            {"namespace", options_.name_space}};
    workflow["spec"] = spec;
    return workflow;
  }

 private:
  Json workflow_parameters() const {
    Json parameters = Json::array();
    for (const Parameter& parameter : pipeline_.parameters) {
      Json one = {{"name", parameter.name}};
      const auto value = options_.parameters.find(parameter.name);
      if (value != options_.parameters.end()) {
        one["value"] = text_of(value->second);
      } else if (parameter.fallback) {
        one["value"] = text_of(*parameter.fallback);
      }
      parameters.push_back(one);
    }
    return parameters;
  }

  bool on_claim(const InputPort& port) const {
    return port.source.kind == Source::Kind::External && options_.bucket.empty() &&
           !store::is_remote(external_path(port));
  }

  std::string external_path(const InputPort& port) const {
    return pipeline_.find_external(port.source.name)->place();
  }

  // Argo gathers values alone. So every instance of a loop keeps its artefact below one key, named
  // by its pod, and the pods of those that succeeded are gathered: in the order of the items, and
  // without what a failed attempt left.
  static std::string gathered_key(const std::string& step, const std::string& output) {
    return "{{workflow.uid}}/" + step + "/" + output;
  }

  bool is_gathered(const Step& producer, const OutputPort& output) const {
    return std::any_of(pipeline_.steps.begin(), pipeline_.steps.end(), [&](const Step& step) {
      const std::set<std::string> gathering = gathering_inputs(pipeline_, step);
      return std::any_of(step.inputs.begin(), step.inputs.end(), [&](const InputPort& port) {
        return gathering.count(port.name) != 0 && port.source.step == producer.name &&
               port.source.name == output.name;
      });
    });
  }

  // A list of objects is there even where no instance has run, one of values is not.
  std::string pods_of(const InputPort& port) const {
    const std::string outputs = "{{tasks." + port.source.step + ".outputs.parameters";
    return pipeline_.find_step(port.source.step)->condition ? outputs + "}}"
                                                            : outputs + "." + kContainerPod + "}}";
  }

  Json artifact_argument(const InputPort& port) const {
    Json one = {{"name", port.name}};
    if (port.source.kind == Source::Kind::Step) {
      one["from"] = "{{tasks." + port.source.step + ".outputs.artifacts." + port.source.name + "}}";
      if (port.optional) one["optional"] = true;
      return one;
    }
    Json& s3 = one["s3"];
    store::BucketPrefix place{options_.bucket, external_path(port)};
    if (store::is_remote(place.prefix)) place = store::split_location(place.prefix);
    s3["key"] = place.prefix;
    s3["bucket"] = place.bucket;
    s3["accessKeySecret"] = {{"name", options_.secret}, {"key", "AWS_ACCESS_KEY_ID"}};
    s3["secretKeySecret"] = {{"name", options_.secret}, {"key", "AWS_SECRET_ACCESS_KEY"}};
    if (options_.endpoint.empty()) return one;
    const std::size_t scheme = options_.endpoint.find("://");
    s3["endpoint"] =
        scheme == std::string::npos ? options_.endpoint : options_.endpoint.substr(scheme + 3);
    s3["insecure"] = options_.endpoint.rfind("http://", 0) == 0;
    return one;
  }

  static std::string value_argument(const InputPort& port) {
    switch (port.source.kind) {
      case Source::Kind::Constant:
        return text_of(port.source.constant);
      case Source::Kind::Parameter:
        return "{{workflow.parameters." + port.source.name + "}}";
      case Source::Kind::Item:
        return port.source.name.empty() ? "{{item}}" : "{{item." + port.source.name + "}}";
      default:
        return "{{tasks." + port.source.step + ".outputs.parameters." + port.source.name + "}}";
    }
  }

  // Argo evaluates `when` with text in quotes, and numbers as they are.
  std::string condition(const Step& step, const Expression& expression) const {
    using Kind = Expression::Kind;
    const auto quoted = [](const std::string& text, bool quotes) {
      return quotes ? "'" + text + "'" : text;
    };
    if (expression.kind == Kind::Literal) {
      std::string text;
      for (const char letter : text_of(expression.literal)) {
        if (letter == '\'' || letter == '"' || letter == '\\') text += '\\';
        text += letter;
      }
      return quoted(text, expression.literal.is_string());
    }
    if (expression.kind == Kind::Reference) {
      const Fragment& part = expression.reference;
      if (part.kind == Fragment::Kind::Parameter)
        return quoted("{{workflow.parameters." + part.text + "}}",
                      pipeline_.find_parameter(part.text)->type == Type::String);
      if (part.kind == Fragment::Kind::Input) {
        const InputPort& port = *step.find_input(part.text);
        return quoted(value_argument(port), port.type == Type::String);
      }
      return quoted(item(part.text), true);
    }
    if (expression.kind == Kind::Not) return "!(" + condition(step, expression.operands[0]) + ")";
    static const std::map<Kind, const char*> kTokens{
        {Kind::And, " && "},      {Kind::Or, " || "},          {Kind::Equal, " == "},
        {Kind::NotEqual, " != "}, {Kind::Less, " < "},         {Kind::LessEqual, " <= "},
        {Kind::Greater, " > "},   {Kind::GreaterEqual, " >= "}};
    return "(" + condition(step, expression.operands[0]) + kTokens.at(expression.kind) +
           condition(step, expression.operands[1]) + ")";
  }

  static std::string item(const std::string& field) {
    return field.empty() ? "{{item}}" : "{{item." + field + "}}";
  }

  Json task(const Step& step) const {
    Json task = {{"name", step.name}, {"template", step.name}};
    if (const auto before = needs(pipeline_, step); !before.empty()) task["dependencies"] = before;
    Json parameters = Json::array(), artifacts = Json::array();
    const std::set<std::string> gathering = gathering_inputs(pipeline_, step);
    for (const InputPort& port : step.inputs) {
      if (!is_artifact(port.type)) {
        parameters.push_back({{"name", port.name}, {"value", value_argument(port)}});
        continue;
      }
      if (gathering.count(port.name) != 0) {
        parameters.push_back({{"name", port.name}, {"value", pods_of(port)}});
        continue;
      }
      if (!on_claim(port)) artifacts.push_back(artifact_argument(port));
    }
    if (step.fan_out) add_items(step, task, parameters);
    if (!parameters.empty()) task["arguments"]["parameters"] = parameters;
    if (!artifacts.empty()) task["arguments"]["artifacts"] = artifacts;
    if (step.condition) task["when"] = condition(step, *step.condition);
    return task;
  }

  void add_items(const Step& step, Json& task, Json& parameters) const {
    const FanOut& fan = *step.fan_out;
    if (!fan.step.empty())
      fail(ErrorCode::Unimplemented, "the step '", step.name, "' follows '", fan.step,
           "' item by item, which an Argo task cannot");
    for (const std::string& field : used_item_fields(step))
      parameters.push_back(
          {{"name", field.empty() ? "item" : "item-" + field}, {"value", item(field)}});
    if (!fan.source) {
      task["withItems"] = fan.items;
    } else if (fan.source->kind == Source::Kind::Parameter) {
      task["withParam"] = "{{workflow.parameters." + fan.source->name + "}}";
    } else {
      task["withParam"] =
          "{{tasks." + fan.source->step + ".outputs.parameters." + fan.source->name + "}}";
    }
  }

  static std::string output_path(const OutputPort& port) {
    return "/tmp/jetcal-outputs/" + port.name;
  }

  Json step_template(const Step& step) {
    Json one = {{"name", step.name}};
    Json parameters = Json::array(), artifacts = Json::array();
    const std::set<std::string> gathering = gathering_inputs(pipeline_, step);
    for (const InputPort& port : step.inputs) {
      if (!is_artifact(port.type)) {
        parameters.push_back({{"name", port.name}});
      } else if (!on_claim(port)) {
        Json artifact = {{"name", port.name}, {"path", "/tmp/jetcal-inputs/" + port.name}};
        const bool gathers = gathering.count(port.name) != 0;
        if (gathers) {
          parameters.push_back({{"name", port.name}, {"default", "[]"}});
          artifact["archive"]["none"] = Json::object();
          artifact["s3"]["key"] = gathered_key(port.source.step, port.source.name);
        }
        if (port.optional || gathers) artifact["optional"] = true;  // no instance may have run
        artifacts.push_back(artifact);
      }
    }
    for (const std::string& field : used_item_fields(step))
      parameters.push_back({{"name", field.empty() ? "item" : "item-" + field}});
    if (!parameters.empty()) one["inputs"]["parameters"] = parameters;
    if (!artifacts.empty()) one["inputs"]["artifacts"] = artifacts;
    add_outputs(step, one);
    add_limits(step, one);
    one["container"] = container(step);
    return one;
  }

  void add_outputs(const Step& step, Json& one) const {
    bool gathered = false;
    for (const OutputPort& port : step.outputs) {
      Json output = {{"name", port.name}};
      if (!is_artifact(port.type)) {
        output["valueFrom"]["path"] = output_path(port);
        one["outputs"]["parameters"].push_back(output);
        continue;
      }
      output["path"] = output_path(port);
      if (is_gathered(step, port)) {
        gathered = true;
        output["archive"]["none"] = Json::object();
        output["s3"]["key"] = gathered_key(step.name, port.name) + "/{{pod.name}}";
      }
      one["outputs"]["artifacts"].push_back(output);
    }
    if (!gathered) return;
    if (step.find_output(kContainerPod) != nullptr)
      fail(ErrorCode::InvalidArgument, "the output '", kContainerPod, "' of the step '", step.name,
           "' has the name that gathering its artefacts needs; give it another one");
    one["outputs"]["parameters"].push_back({{"name", kContainerPod}, {"value", "{{pod.name}}"}});
  }

  static void add_limits(const Step& step, Json& one) {
    const auto seconds = [](double value) { return std::to_string(whole_seconds(value)); };
    if (step.retries.limit > 0) {
      Json& retry = one["retryStrategy"];
      retry["limit"] = std::to_string(step.retries.limit);
      retry["retryPolicy"] = "Always";
      retry["backoff"] = {{"duration", seconds(step.retries.delay)},
                          {"factor", std::to_string(std::lround(step.retries.factor))},
                          {"cap", seconds(step.retries.max_delay)}};
    }
    if (step.time_limit > 0) one["activeDeadlineSeconds"] = whole_seconds(step.time_limit);
  }

  Json container(const Step& step) {
    Placeholders names;
    names.parameter = [](const std::string& name) {
      return "{{workflow.parameters." + name + "}}";
    };
    names.input = [this](const InputPort& port) {
      if (!is_artifact(port.type)) return "{{inputs.parameters." + port.name + "}}";
      if (!on_claim(port)) return "/tmp/jetcal-inputs/" + port.name;
      uses_claim_ = true;
      return std::string(kClusterMount) + "/" + external_path(port);
    };
    names.output = output_path;
    names.item = [](const std::string& field) {
      return "{{inputs.parameters." + (field.empty() ? std::string("item") : "item-" + field) +
             "}}";
    };
    names.gathered = [](const InputPort& port) {
      return "{{inputs.parameters." + port.name + "}}";
    };
    names.gathering = gathering_inputs(pipeline_, step);
    const std::vector<std::string> line = container_command(step, names);
    Json container;
    container["image"] = !step.image.empty()        ? step.image
                         : !pipeline_.image.empty() ? pipeline_.image
                                                    : options_.image;
    container["command"] = Json::array({line.front()});
    container["args"] = std::vector<std::string>(line.begin() + 1, line.end());
    for (const auto& [name, word] : step.environment)
      container["env"].push_back({{"name", name}, {"value", container_word(step, word, names)}});
    for (const std::string& name : step.pass) {
      Json variable = {{"name", name}};
      variable["valueFrom"]["secretKeyRef"] = {{"name", options_.secret}, {"key", name}};
      container["env"].push_back(variable);
    }
    Json limits = {{"cpu", cores_text(step.resources.cores)}};
    if (step.resources.memory > 0) limits["memory"] = memory_text(step.resources.memory);
    if (step.resources.gpus > 0) limits["nvidia.com/gpu"] = std::to_string(step.resources.gpus);
    container["resources"] = {{"requests", limits}, {"limits", limits}};
    const bool mounts = std::any_of(step.inputs.begin(), step.inputs.end(),
                                    [this](const InputPort& port) { return on_claim(port); });
    if (mounts)
      container["volumeMounts"] =
          Json::array({{{"name", "data"}, {"mountPath", kClusterMount}, {"readOnly", true}}});
    return container;
  }

  const Pipeline& pipeline_;
  const RenderOptions& options_;
  bool uses_claim_ = false;
};

}  // namespace

Json render_argo(const Pipeline& pipeline, const RenderOptions& options) {
  validate(options);
  return ArgoWriter(pipeline, options).write();
}

Json render_scheduled(const Pipeline& pipeline, const RenderOptions& options) {
  if (!pipeline.recurrence)
    fail(ErrorCode::InvalidArgument, pipeline.source,
         " has no field 'recurring', so nothing is to "
         "be scheduled");
  const Recurrence& when = *pipeline.recurrence;
  Json schedule = {{"apiVersion", "kubeflow.org/v1beta1"}, {"kind", "ScheduledWorkflow"}};
  schedule["metadata"] = {{"name", pipeline.name}, {"namespace", options.name_space}};
  Json& spec = schedule["spec"];
  spec["enabled"] = true;
  spec["maxConcurrency"] = when.max_concurrency;
  spec["noCatchup"] = !when.catch_up;
  spec["trigger"]["cronSchedule"]["cron"] = when.cron;
  spec["workflow"]["spec"] = render_argo(pipeline, options)["spec"];
  schedule["status"] = Json::object();  // the CRD refuses an object without it
  return schedule;
}

}  // namespace jetcal::pipeline
