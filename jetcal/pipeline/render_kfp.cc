// SPDX-License-Identifier: Apache-2.0
// Kubeflow Pipelines IR: PipelineSpec 2.1.0.
#include <algorithm>
#include <set>

#include "jetcal/pipeline/detail/container_command.h"
#include "jetcal/pipeline/detail/kfp_executor.h"
#include "jetcal/pipeline/detail/kfp_places.h"
#include "jetcal/pipeline/detail/kfp_text.h"
#include "jetcal/pipeline/detail/kfp_types.h"
#include "jetcal/pipeline/render.h"

namespace jetcal::pipeline {
namespace {

constexpr const char* kItems = "loop-items";  // where a loop has its items from

// The type that all of some values have; text where they differ, as kfp has it.
Type type_of(const std::vector<Json>& values) {
  for (const Type type : {Type::Boolean, Type::Integer, Type::Number, Type::List, Type::Struct}) {
    if (!values.empty() && std::all_of(values.begin(), values.end(),
                                       [type](const Json& one) { return holds(type, one); }))
      return type;
  }
  return Type::String;
}

std::string seconds_text(double value) { return std::to_string(whole_seconds(value)) + "s"; }

// Where tasks stand: the root, or the loop of the steps that run item by item.
struct Dag {
  std::string loop;            // Its name; "" is the root.
  const Step* head = nullptr;  // Of a loop: a step that says what its items are.
  Json tasks = Json::object();
  Json inputs = Json::object();     // Of a loop: what its component takes,
  Json arguments = Json::object();  // and where the root has that from.
  std::set<std::string> before;     // Of a loop: tasks of the root that come first.
  std::set<std::pair<std::string, std::string>> gathered;  // Of a loop: outputs read as lists.
};

class KfpWriter {
 public:
  KfpWriter(const Pipeline& pipeline, const RenderOptions& options)
      : pipeline_(pipeline), options_(options), places_(pipeline, options) {}

  std::vector<Json> write() {
    Dag root;
    for (const ExternalInput& input : pipeline_.inputs) {
      if (!places_.on_claim(input)) add_importer(input, root.tasks);
    }
    for (const Step* step : in_order(pipeline_)) {
      check(*step);
      const std::string loop = loop_of(pipeline_, *step);
      Dag& dag = loop.empty() ? root : loops_[loop];
      dag.loop = loop;
      if (step->fan_out && step->fan_out->step.empty()) dag.head = step;
      add_step(*step, dag);
    }
    for (const auto& [name, loop] : loops_) add_loop(loop, root.tasks);
    Json spec = {{"pipelineInfo", {{"name", pipeline_.name}}},
                 {"schemaVersion", "2.1.0"},
                 {"sdkVersion", "kfp-2.17.0"}};
    if (!pipeline_.description.empty()) spec["pipelineInfo"]["description"] = pipeline_.description;
    spec["components"] = components_;
    spec["deploymentSpec"]["executors"] = executors_;
    spec["root"]["dag"]["tasks"] = root.tasks;
    if (Json inputs = root_parameters(); !inputs.empty())
      spec["root"]["inputDefinitions"]["parameters"] = inputs;
    std::vector<Json> documents{spec};
    if (!platform_.empty())
      documents.push_back(
          {{"platforms", {{"kubernetes", {{"deploymentSpec", {{"executors", platform_}}}}}}}});
    return documents;
  }

 private:
  [[noreturn]] void cannot(const Step& step, const std::string& what) const {
    fail(ErrorCode::Unimplemented, "the step '", step.name, "' ", what,
         ", which Kubeflow Pipelines cannot give to a container");
  }

  void check(const Step& step) const {
    for (const InputPort& port : step.inputs) {
      if (port.optional) cannot(step, "has the optional input '" + port.name + "'");
    }
    for (const std::string& name : used_parameters(pipeline_, step)) {
      const InputPort* const port = step.find_input(name);
      if (port == nullptr || !places_.is_parameter(*port)) continue;
      if (port->source.kind != Source::Kind::Parameter || port->source.name != name)
        fail(ErrorCode::InvalidArgument, "the step '", step.name, "' has an input with the name '",
             name,
             "' of a parameter that it uses, and Kubeflow Pipelines takes them for one; give ",
             "the input another name");
    }
  }

  // ---- loops ----------------------------------------------------------------------------------

  // Steps and the tasks made for them share names.
  std::string made_task(const std::string& name) const {
    if (pipeline_.find_step(name) != nullptr)
      fail(ErrorCode::InvalidArgument, "the step '", name,
           "' has the name that a task of Kubeflow Pipelines needs; give it another one");
    return name;
  }

  std::string loop_task(const std::string& loop) const { return made_task("for-" + loop); }

  Type item_type(const Step& head, const std::string& field) const {
    const FanOut& fan = *head.fan_out;
    if (field.empty()) return type_of(fan.items);
    std::vector<Json> values;
    for (const Json& item : fan.items)
      values.push_back(item.is_object() ? item.value(field, Json()) : Json());
    return type_of(values);
  }

  // The list that a loop goes through, as an input of it.
  Json loop_items(const Dag& loop, Json& inputs, Json& arguments) const {
    const FanOut& fan = *loop.head->fan_out;
    if (!fan.source) return {{"raw", Json(fan.items).dump()}};
    inputs["parameters"][kItems]["parameterType"] = write_kfp_type(Type::List);
    InputPort list;
    list.source = *fan.source;
    list.type = Type::List;
    arguments["parameters"][kItems] = source_of(*loop.head, list);
    return {{"inputParameter", kItems}};
  }

  void add_loop(const Dag& loop, Json& tasks) {
    const std::string name = loop_task(loop.loop);
    Json inputs = loop.inputs, arguments = loop.arguments;
    const Json items = loop_items(loop, inputs, arguments);
    inputs["parameters"][kfp_item_input("")]["parameterType"] =
        write_kfp_type(item_type(*loop.head, ""));
    Json& component = components_["comp-" + name];
    component["dag"]["tasks"] = loop.tasks;
    component["inputDefinitions"] = inputs;
    for (const auto& [step, output] : loop.gathered) {
      const std::string key = std::string(step).append("-").append(output);
      const Type type = pipeline_.find_step(step)->find_output(output)->type;
      if (is_artifact(type)) {
        component["dag"]["outputs"]["artifacts"][key]["artifactSelectors"] =
            Json::array({{{"outputArtifactKey", output}, {"producerSubtask", step}}});
        component["outputDefinitions"]["artifacts"][key] = artifact_definition(type, true);
        continue;
      }
      component["dag"]["outputs"]["parameters"][key]["valueFromParameter"] = {
          {"outputParameterKey", output}, {"producerSubtask", step}};
      component["outputDefinitions"]["parameters"][key]["parameterType"] =
          write_kfp_type(Type::List);
    }
    Json& task = tasks[name];
    task["componentRef"]["name"] = "comp-" + name;
    if (!loop.before.empty()) task["dependentTasks"] = loop.before;
    if (!arguments.empty()) task["inputs"] = arguments;
    task["parameterIterator"] = {{"itemInput", kfp_item_input("")}, {"items", items}};
    task["taskInfo"]["name"] = name;
  }

  // ---- what comes from outside ------------------------------------------------------------------

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
      one["parameterType"] = write_kfp_type(parameter.type);
    }
    for (const ExternalInput& input : pipeline_.inputs) {
      const std::string name = places_.parameter(input);
      if (inputs.contains(name))
        fail(ErrorCode::InvalidArgument, "the parameter '", name, "' has the name that the place ",
             "of the input '", input.name, "' needs in Kubeflow Pipelines; give it another one");
      inputs[name] = {{"defaultValue", places_.place(input)},
                      {"description", "where the input " + input.name + " lies"},
                      {"isOptional", true},
                      {"parameterType", "STRING"}};
    }
    return inputs;
  }

  // Data from outside enters by an importer, as kfp has it.
  void add_importer(const ExternalInput& input, Json& tasks) {
    const std::string name = made_task("import-" + input.name);
    components_["comp-" + name] = {
        {"executorLabel", "exec-" + name},
        {"inputDefinitions", {{"parameters", {{"uri", {{"parameterType", "STRING"}}}}}}},
        {"outputDefinitions",
         {{"artifacts", {{"artifact", {{"artifactType", write_kfp_schema(input.type)}}}}}}}};
    executors_["exec-" + name]["importer"] = {{"artifactUri", {{"runtimeParameter", "uri"}}},
                                              {"typeSchema", write_kfp_schema(input.type)}};
    Json& task = tasks[name];
    task["cachingOptions"]["enableCache"] = true;
    task["componentRef"]["name"] = "comp-" + name;
    task["inputs"]["parameters"]["uri"]["componentInputParameter"] = places_.parameter(input);
    task["taskInfo"]["name"] = name;
  }

  // ---- steps ------------------------------------------------------------------------------------

  static Json task_output(const char* kind, const std::string& task, const std::string& key) {
    const bool artifact = kind == std::string("Artifact");
    return {
        {std::string("taskOutput") + kind,
         {{artifact ? "outputArtifactKey" : "outputParameterKey", key}, {"producerTask", task}}}};
  }

  // Where an input comes from, seen from the root, or from a loop that its maker stands in too.
  Json source_of(const Step& step, const InputPort& port) const {
    const Source& source = port.source;
    switch (source.kind) {
      case Source::Kind::Constant:
        return {{"runtimeValue", {{"constant", source.constant}}}};
      case Source::Kind::Parameter:
        return {{"componentInputParameter", source.name}};
      case Source::Kind::External:
        if (places_.on_claim(port))
          return {{"componentInputParameter",
                   places_.parameter(*pipeline_.find_external(source.name))}};
        return task_output("Artifact", "import-" + source.name, "artifact");
      case Source::Kind::Item: {
        Json item = {{"componentInputParameter", kfp_item_input("")}};
        if (!source.name.empty())
          item["parameterExpressionSelector"] = "parseJson(string_value)[\"" + source.name + "\"]";
        return item;
      }
      case Source::Kind::Step:
        break;
    }
    const Step& producer = *pipeline_.find_step(source.step);
    const char* kind = is_artifact(port.type) ? "Artifact" : "Parameter";
    if (!gathers(pipeline_, step, producer)) return task_output(kind, producer.name, source.name);
    return task_output(kind, loop_task(loop_of(pipeline_, producer)),
                       producer.name + "-" + source.name);
  }

  // The driver gathers from every instance, and has nothing of one that did not run.
  bool may_be_skipped(const Step& step, std::set<std::string>& seen) const {
    if (!seen.insert(step.name).second) return false;
    if (step.condition) return true;
    const std::vector<std::string> before = needs(pipeline_, step);
    return std::any_of(before.begin(), before.end(), [&](const std::string& name) {
      return may_be_skipped(*pipeline_.find_step(name), seen);
    });
  }

  // Notes which outputs of a loop are read as a list from outside of it.
  void note_gathered(const Step& step, const InputPort& port) {
    if (port.source.kind != Source::Kind::Step) return;
    const Step& producer = *pipeline_.find_step(port.source.step);
    if (!gathers(pipeline_, step, producer)) return;
    std::set<std::string> seen;
    if (may_be_skipped(producer, seen))
      cannot(step, "gathers '" + port.source.name + "' of '" + producer.name +
                       "', which a condition may skip");
    loops_.at(loop_of(pipeline_, producer)).gathered.emplace(producer.name, port.source.name);
  }

  Json task_input(const Step& step, const InputPort& port, Dag& dag) {
    note_gathered(step, port);
    const bool beside = port.source.kind == Source::Kind::Item ||
                        (port.source.kind == Source::Kind::Step &&
                         loop_of(pipeline_, *pipeline_.find_step(port.source.step)) == dag.loop);
    if (dag.loop.empty() || beside) return source_of(step, port);
    const bool parameter = places_.is_parameter(port);
    const char* group = parameter ? "parameters" : "artifacts";
    const std::string name = step.name + "-" + port.name;
    dag.inputs[group][name] = definition(step, port);
    dag.arguments[group][name] = source_of(step, port);
    return {{parameter ? "componentInputParameter" : "componentInputArtifact", name}};
  }

  static Json artifact_definition(Type type, bool list) {
    Json definition = {{"artifactType", write_kfp_schema(type)}};
    if (list) definition["isArtifactList"] = true;
    return definition;
  }

  Json definition(const Step& step, const InputPort& port) const {
    if (!places_.is_parameter(port))
      return artifact_definition(port.type,
                                 gathering_inputs(pipeline_, step).count(port.name) != 0);
    return {{"parameterType", write_kfp_type(port.type)}};
  }

  // Parameters of the pipeline and the item, which a step names without a port of its own.
  void add_values(const Step& step, Dag& dag, Json& component, Json& task) const {
    Json& inputs = component["inputDefinitions"]["parameters"];
    for (const std::string& name : used_parameters(pipeline_, step)) {
      const Json type = {{"parameterType", write_kfp_type(pipeline_.find_parameter(name)->type)}};
      const Json source = {{"componentInputParameter", name}};
      inputs[name] = type;
      task["inputs"]["parameters"][name] = source;
      if (dag.loop.empty()) continue;
      dag.inputs["parameters"][name] = type;
      dag.arguments["parameters"][name] = source;
    }
    for (const std::string& field : used_item_fields(step)) {
      InputPort item;
      item.source = {Source::Kind::Item, "", field, {}};
      inputs[kfp_item_input(field)]["parameterType"] = write_kfp_type(item_type(*dag.head, field));
      task["inputs"]["parameters"][kfp_item_input(field)] = source_of(step, item);
    }
    if (inputs.empty()) component["inputDefinitions"].erase("parameters");
    if (component["inputDefinitions"].empty()) component.erase("inputDefinitions");
  }

  bool waits_for(const std::string& name, const std::string& loop,
                 std::set<std::string>& seen) const {
    if (!seen.insert(name).second) return false;
    const std::vector<std::string> before = needs(pipeline_, *pipeline_.find_step(name));
    return std::any_of(before.begin(), before.end(), [&](const std::string& one) {
      return loop_of(pipeline_, *pipeline_.find_step(one)) == loop || waits_for(one, loop, seen);
    });
  }

  // Tasks of the same DAG come before the task, others before the loop that it stands in.
  void add_dependencies(const Step& step, Dag& dag, Json& task) const {
    std::set<std::string> here, seen;
    for (const std::string& name : needs(pipeline_, step)) {
      const std::string loop = loop_of(pipeline_, *pipeline_.find_step(name));
      const bool beside = loop == dag.loop;
      if (!beside && !dag.loop.empty() && waits_for(name, dag.loop, seen))
        cannot(step, "waits for '" + name + "', which waits for steps of the same loop");
      (beside || dag.loop.empty() ? here : dag.before)
          .insert(beside || loop.empty() ? name : loop_task(loop));
    }
    for (const InputPort& port : step.inputs) {
      if (port.source.kind == Source::Kind::External && !places_.on_claim(port))
        (dag.loop.empty() ? here : dag.before).insert("import-" + port.source.name);
    }
    if (!here.empty()) task["dependentTasks"] = here;
  }

  void add_step(const Step& step, Dag& dag) {
    Json component = {{"executorLabel", "exec-" + step.name}};
    Json task = {{"cachingOptions", step.cache ? Json{{"enableCache", true}} : Json::object()},
                 {"componentRef", {{"name", "comp-" + step.name}}}};
    add_dependencies(step, dag, task);
    for (const InputPort& port : step.inputs) {
      const char* group = places_.is_parameter(port) ? "parameters" : "artifacts";
      component["inputDefinitions"][group][port.name] = definition(step, port);
      task["inputs"][group][port.name] = task_input(step, port, dag);
    }
    add_values(step, dag, component, task);
    for (const OutputPort& port : step.outputs) {
      Json& outputs = component["outputDefinitions"];
      if (is_artifact(port.type)) {
        outputs["artifacts"][port.name]["artifactType"] = write_kfp_schema(port.type);
      } else {
        outputs["parameters"][port.name]["parameterType"] = write_kfp_type(port.type);
      }
    }
    if (step.retries.limit > 0)
      task["retryPolicy"] = {{"maxRetryCount", step.retries.limit},
                             {"backoffDuration", seconds_text(step.retries.delay)},
                             {"backoffFactor", step.retries.factor},
                             {"backoffMaxDuration", seconds_text(step.retries.max_delay)}};
    task["taskInfo"]["name"] = step.name;
    if (step.condition) task["triggerPolicy"]["condition"] = write_kfp_condition(*step.condition);
    components_["comp-" + step.name] = component;
    executors_["exec-" + step.name]["container"] =
        write_kfp_container(pipeline_, step, places_, options_);
    if (Json platform = write_kfp_platform(step, places_, options_); !platform.empty())
      platform_["exec-" + step.name] = std::move(platform);
    dag.tasks[step.name] = task;
  }

  const Pipeline& pipeline_;
  const RenderOptions& options_;
  const KfpPlaces places_;
  std::map<std::string, Dag> loops_;  // by the name of their first step
  Json components_ = Json::object(), executors_ = Json::object(), platform_ = Json::object();
};

}  // namespace

std::vector<Json> render_kfp(const Pipeline& pipeline, const RenderOptions& options) {
  validate(options);
  return KfpWriter(pipeline, options).write();
}

}  // namespace jetcal::pipeline
