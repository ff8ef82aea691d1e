// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/kfp_reader.h"

#include <algorithm>

#include "jetcal/pipeline/detail/kfp_container.h"
#include "jetcal/pipeline/detail/kfp_groups.h"
#include "jetcal/pipeline/detail/kfp_guard.h"
#include "jetcal/pipeline/detail/kfp_platform.h"
#include "jetcal/pipeline/detail/kfp_text.h"
#include "jetcal/pipeline/detail/kfp_types.h"
#include "jetcal/pipeline/pipeline_file.h"

namespace jetcal::pipeline {
namespace {

// What tasks of one DAG see: where its inputs come from, and what holds for all of them.
struct Scope {
  std::map<std::string, Source> inputs;
  std::map<std::string, Type> types;
  KfpGuard guard;
  std::optional<FanOut> fan_out;
  std::string item_input;  // name of the input that holds the item of the loop
  std::map<std::string, std::string> task_names;  // name within the DAG -> name of the step
  std::vector<std::string> before;                // steps that come before the whole DAG
};

class KfpReader {
 public:
  KfpReader(const std::vector<Node>& documents, const std::string& source)
      : spec_(documents.front()), source_(source) {
    if (documents.size() > 1) platform_ = &documents[1];
    mounts_ = kfp_claim_mounts(platform_);
  }

  Pipeline read(const std::string& folder) {
    Pipeline pipeline;
    pipeline.source = source_;
    pipeline.folder = folder;
    const std::string version = field_text(spec_, "schemaVersion");
    if (version != "2.1.0" && version != "2.0.0")
      fail_at(source_, spec_.at, "the schemaVersion must be 2.1.0, got '", version, "'");
    pipeline.name = field_text(require(spec_, "pipelineInfo", "the PipelineSpec"), "name");
    const Node& root = require(spec_, "root", "the PipelineSpec");
    Scope scope;
    if (const Node* inputs = root.find("inputDefinitions"))
      read_root_inputs(*inputs, pipeline, scope);
    read_dag(require(root, "dag", "the root"), scope, "", pipeline);
    groups_.resolve(pipeline);
    return pipeline;
  }

 private:
  const Node& require(const Node& node, const char* name, const std::string& what) const {
    const Node* found = node.find(name);
    if (found == nullptr) fail_at(source_, node.at, what, " has no field '", name, "'");
    return *found;
  }

  // A parameter that is a path on a claim: data from outside, beside the file of the pipeline here.
  bool read_place(const Field& field, Pipeline& pipeline, Scope& scope) const {
    const Node* fallback = field.value.find("defaultValue");
    const std::string path = fallback == nullptr ? "" : path_on_claim(mounts_, fallback->text);
    if (path.empty()) return false;
    const std::string ending = "_path";
    ExternalInput input;
    input.name = field.name.ends_with(ending)
                     ? field.name.substr(0, field.name.size() - ending.size())
                     : field.name;
    input.paths.push_back(path);
    input.description = field_text(field.value, "description");
    input.at = field.at;
    scope.inputs[field.name] = {Source::Kind::External, "", input.name, {}};
    scope.types[field.name] = input.type;
    pipeline.inputs.push_back(std::move(input));
    return true;
  }

  void read_root_inputs(const Node& inputs, Pipeline& pipeline, Scope& scope) const {
    if (const Node* parameters = inputs.find("parameters")) {
      for (const Field& field : parameters->fields) {
        if (read_place(field, pipeline, scope)) continue;
        Parameter parameter;
        parameter.name = field.name;
        parameter.at = field.at;
        parameter.type = read_kfp_type(field.value, source_);
        parameter.description = field_text(field.value, "description");
        if (const Node* fallback = field.value.find("defaultValue"))
          parameter.fallback = read_kfp_value(parameter.type, to_json(*fallback));
        pipeline.parameters.push_back(parameter);
        scope.inputs[field.name] = {Source::Kind::Parameter, "", field.name, {}};
        scope.types[field.name] = parameter.type;
      }
    }
    if (const Node* artifacts = inputs.find("artifacts")) {
      for (const Field& field : artifacts->fields) {
        pipeline.inputs.push_back({field.name,
                                   read_kfp_schema(field.value),
                                   {},
                                   field_text(field.value, "description"),
                                   field.at});
        scope.inputs[field.name] = {Source::Kind::External, "", field.name, {}};
        scope.types[field.name] = read_kfp_schema(field.value);
      }
    }
  }

  void read_dag(const Node& dag, Scope scope, const std::string& group, Pipeline& pipeline) {
    const Node& tasks = require(dag, "tasks", "the DAG");
    for (const Field& task : tasks.fields) {
      std::string& name = scope.task_names[task.name];
      name = task.name;
      while (!names_.insert(name).second) name = group + "-" + name;
      if (names_.size() > kMaxSteps)
        fail_at(source_, task.at, "the pipeline has more than ", kMaxSteps, " tasks");
    }
    for (const Field& task : tasks.fields) read_importer(task, scope, pipeline);
    if (const Node* outputs = dag.find("outputs")) read_outputs(*outputs, scope, group);
    for (const Field& task : tasks.fields) {
      if (importers_.count(scope.task_names[task.name]) != 0) continue;
      if (!group.empty()) groups_.add_member(group, scope.task_names[task.name]);
      const Node& reference = require(task.value, "componentRef", "the task '" + task.name + "'");
      const std::string name = field_text(reference, "name");
      const Node* components = spec_.find("components");
      const Node* component = components == nullptr ? nullptr : components->find(name);
      if (component == nullptr)
        fail_at(source_, reference.at, "the task '", task.name, "' names the unknown component '",
                name, "'");
      const Node* inner = component->find("dag");
      if (inner == nullptr) {
        pipeline.steps.push_back(read_step(task, *component, scope));
        continue;
      }
      if (!open_.insert(name).second)
        fail_at(source_, reference.at, "the component '", name, "' stands in itself");
      read_dag(*inner, enter(task, *component, scope), scope.task_names[task.name], pipeline);
      open_.erase(name);
    }
  }

  // What a DAG gives is what tasks in it give.
  void read_outputs(const Node& outputs, const Scope& scope, const std::string& group) {
    const auto add = [&](const std::string& output, const Node* from, const char* key) {
      const Node* task = from == nullptr ? nullptr : from->find("producerSubtask");
      const auto step = scope.task_names.find(task == nullptr ? "" : task->text);
      if (step != scope.task_names.end())
        groups_.add_output(group, output, step->second, field_text(*from, key));
    };
    if (const Node* parameters = outputs.find("parameters")) {
      for (const Field& field : parameters->fields)
        add(field.name, field.value.find("valueFromParameter"), "outputParameterKey");
    }
    if (const Node* artifacts = outputs.find("artifacts")) {
      for (const Field& field : artifacts->fields) {
        const Node* list = field.value.find("artifactSelectors");
        const bool one = list != nullptr && list->items.size() == 1;
        add(field.name, one ? &list->items[0] : nullptr, "outputArtifactKey");
      }
    }
  }

  // The executor of a task, or nullptr.
  const Node* executor_of(const Field& task) const {
    const Node* node = task.value.find("componentRef");
    const std::string component = node == nullptr ? "" : field_text(*node, "name");
    node = spec_.find("components");
    node = node == nullptr ? nullptr : node->find(component);
    const std::string label = node == nullptr ? "" : field_text(*node, "executorLabel");
    node = spec_.find("deploymentSpec");
    node = node == nullptr ? nullptr : node->find("executors");
    return node == nullptr ? nullptr : node->find(label);
  }

  // An importer is an input from outside; its place is a constant, or a parameter's default.
  void read_importer(const Field& task, const Scope& scope, Pipeline& pipeline) {
    const Node* executor = executor_of(task);
    const Node* importer = executor == nullptr ? nullptr : executor->find("importer");
    if (importer == nullptr) return;
    ExternalInput input;
    const std::string prefix = "import-", &name = scope.task_names.at(task.name);
    input.name = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
    input.at = task.at;
    const Node& uri = require(*importer, "artifactUri", "the importer '" + task.name + "'");
    Json place = field_text(uri, "constant");
    for (const auto& [parameter_of_task, source] : sources_of(task, scope)) {
      if (parameter_of_task != field_text(uri, "runtimeParameter")) continue;
      const Parameter* parameter =
          source.kind == Source::Kind::Parameter ? pipeline.find_parameter(source.name) : nullptr;
      if (source.kind == Source::Kind::Constant) place = source.constant;
      if (parameter != nullptr && parameter->fallback) place = *parameter->fallback;
    }
    if (!place.is_string())
      fail_at(source_, uri.at, "the importer '", task.name, "' needs the text of a place, got ",
              place.dump());
    input.type = read_kfp_schema(*importer, "typeSchema");
    if (!place.get<std::string>().empty()) input.paths.push_back(place.get<std::string>());
    importers_[name] = input.name;
    pipeline.inputs.push_back(std::move(input));
  }

  Source source_of(const Node& input, const Scope& scope, const std::string& what) const {
    if (const Node* value = input.find("runtimeValue")) {
      const Node* constant = value->find("constant");
      if (constant == nullptr)
        fail_at(source_, input.at, what, " has a runtimeValue without constant");
      return {Source::Kind::Constant, "", "", to_json(*constant)};
    }
    for (const char* name : {"componentInputParameter", "componentInputArtifact"}) {
      const Node* found = input.find(name);
      if (found == nullptr) continue;
      Source from = input_of_dag(*found, scope, what);
      const std::string part = selected_field(input, what);
      if (part.empty()) return from;
      if (from.kind != Source::Kind::Item || !from.name.empty())
        fail_at(source_, input.at, what, " is the field '", part,
                "' of a value; only items of loops have fields here");
      from.name = part;
      return from;
    }
    for (const auto& [name, key] : {std::pair{"taskOutputParameter", "outputParameterKey"},
                                    {"taskOutputArtifact", "outputArtifactKey"}}) {
      const Node* found = input.find(name);
      if (found == nullptr) continue;
      const std::string producer = field_text(*found, "producerTask");
      const auto step = scope.task_names.find(producer);
      if (step == scope.task_names.end())
        fail_at(source_, found->at, what, " comes from the unknown task '", producer, "'");
      if (const auto importer = importers_.find(step->second); importer != importers_.end())
        return {Source::Kind::External, "", importer->second, {}};
      return {Source::Kind::Step, step->second, field_text(*found, key), {}};
    }
    fail_at(source_, input.at, what, " comes from nothing that is known here");
  }

  Source input_of_dag(const Node& name, const Scope& scope, const std::string& what) const {
    const std::string field_of = scope.item_input + "-subvar-";
    if (!scope.item_input.empty() && name.text == scope.item_input)
      return {Source::Kind::Item, "", "", {}};
    if (!scope.item_input.empty() && name.text.starts_with(field_of))
      return {Source::Kind::Item, "", name.text.substr(field_of.size()), {}};
    const auto outer = scope.inputs.find(name.text);
    if (outer == scope.inputs.end())
      fail_at(source_, name.at, what, " refers to the input '", name.text,
              "' that its DAG does not have");
    return outer->second;
  }

  // The field that an input takes of a value, or "".
  std::string selected_field(const Node& input, const std::string& what) const {
    const Node* selector = input.find("parameterExpressionSelector");
    if (selector == nullptr) return "";
    const std::string begin = "parseJson(string_value)[\"", end = "\"]", &text = selector->text;
    if (text.size() <= begin.size() + end.size() || !text.starts_with(begin) ||
        !text.ends_with(end))
      fail_at(source_, selector->at, what, " takes a part of a value by '", text,
              "', which means nothing here");
    return text.substr(begin.size(), text.size() - begin.size() - end.size());
  }

  // Names and sources of the inputs of a task.
  std::map<std::string, Source> sources_of(const Field& task, const Scope& scope) const {
    std::map<std::string, Source> sources;
    const Node* inputs = task.value.find("inputs");
    if (inputs == nullptr) return sources;
    for (const char* group : {"parameters", "artifacts"}) {
      const Node* entries = inputs->find(group);
      if (entries == nullptr) continue;
      for (const Field& entry : entries->fields)
        sources[entry.name] = source_of(
            entry.value, scope, "the input '" + entry.name + "' of the task '" + task.name + "'");
    }
    return sources;
  }

  std::map<std::string, Type> types_of(const Node& component) const {
    std::map<std::string, Type> types;
    const Node* definitions = component.find("inputDefinitions");
    if (definitions == nullptr) return types;
    if (const Node* parameters = definitions->find("parameters")) {
      for (const Field& field : parameters->fields)
        types[field.name] = read_kfp_type(field.value, source_);
    }
    if (const Node* artifacts = definitions->find("artifacts")) {
      for (const Field& field : artifacts->fields) types[field.name] = read_kfp_schema(field.value);
    }
    return types;
  }

  std::vector<std::string> before_of(const Field& task, const Scope& scope) const {
    std::vector<std::string> before = scope.before;
    if (const Node* tasks = task.value.find("dependentTasks")) {
      for (const Node& one : tasks->items) {
        const auto step = scope.task_names.find(one.text);
        if (step == scope.task_names.end())
          fail_at(source_, one.at, "the task '", task.name, "' depends on the unknown task '",
                  one.text, "'");
        if (importers_.count(step->second) == 0) before.push_back(step->second);
      }
    }
    return before;
  }

  // The scope of the tasks inside of a condition or a loop.
  Scope enter(const Field& task, const Node& component, const Scope& outer) const {
    Scope inner;
    inner.inputs = sources_of(task, outer);
    inner.types = types_of(component);
    inner.guard = outer.guard;
    inner.fan_out = outer.fan_out;
    inner.item_input = outer.item_input;
    inner.before = before_of(task, outer);
    if (task.value.find("artifactIterator") != nullptr)
      fail_at(source_, task.at, "the task '", task.name,
              "' loops over artefacts, which does not run here");
    if (const Node* iterator = task.value.find("parameterIterator"))
      enter_loop(task, *iterator, outer, inner);
    if (const Node* trigger = task.value.find("triggerPolicy"))
      enter_condition(*trigger, outer.task_names.at(task.name), inner);
    return inner;
  }

  void enter_loop(const Field& task, const Node& iterator, const Scope& outer, Scope& inner) const {
    if (outer.fan_out)
      fail_at(source_, task.at, "the loop '", task.name,
              "' stands inside of another loop, which does not run here");
    FanOut fan;
    fan.at = task.at;
    fan.loop = outer.task_names.at(task.name);
    inner.item_input = field_text(iterator, "itemInput");
    const Node& items = require(iterator, "items", "the parameterIterator");
    if (const Node* raw = items.find("raw")) {
      for (const Json& item : read_kfp_items(*raw, source_)) fan.items.push_back(item);
    } else {
      const auto source = inner.inputs.find(field_text(items, "inputParameter"));
      if (source == inner.inputs.end())
        fail_at(source_, items.at, "the items of the loop come from nowhere");
      if (source->second.kind != Source::Kind::Constant) {
        fan.source = source->second;
      } else {
        if (!source->second.constant.is_array())
          fail_at(source_, items.at, "the items of the loop are no list");
        for (const Json& item : source->second.constant) fan.items.push_back(item);
      }
    }
    inner.fan_out = fan;
  }

  void enter_condition(const Node& trigger, const std::string& group, Scope& inner) const {
    const Node* condition = trigger.find("condition");
    if (condition == nullptr) return;
    const KfpCondition parsed = read_kfp_condition(condition->text, source_, condition->at);
    std::vector<InputPort> inputs;
    for (const std::string& name : parsed.inputs) {
      const auto source = inner.inputs.find(name);
      if (source == inner.inputs.end())
        fail_at(source_, condition->at, "the condition uses the input '", name,
                "' that its DAG does not have");
      const auto type = inner.types.find(name);
      InputPort& port = inputs.emplace_back();
      port.name = name;
      port.source = source->second;
      port.type = type == inner.types.end() ? Type::String : type->second;
      port.at = condition->at;
    }
    inner.guard.add(parsed.text, std::move(inputs), group);
  }

  Step read_step(const Field& task, const Node& component, const Scope& scope) const {
    Step step;
    step.name = scope.task_names.at(task.name);
    step.at = task.at;
    const Node& container = container_of(task, component);
    step.image = field_text(container, "image");
    step.after = before_of(task, scope);
    read_ports(task, component, scope, step);
    read_kfp_container(container, step, source_);
    read_kfp_options(task.value, step, source_);
    step.fan_out = scope.fan_out;
    if (const Node* trigger = task.value.find("triggerPolicy")) {
      if (const Node* strategy = trigger->find("strategy");
          strategy != nullptr && strategy->text != "ALL_UPSTREAM_TASKS_SUCCEEDED")
        fail_at(source_, strategy->at, "the task '", task.name, "' runs even after failures (",
                strategy->text, "), which does not run here");
    }
    KfpGuard guard{"", std::move(step.inputs)};
    guard.add(scope.guard.text, scope.guard.inputs, "condition");
    if (const Node* trigger = task.value.find("triggerPolicy")) {
      if (const Node* own = trigger->find("condition"))
        guard.add(read_kfp_condition(own->text, source_, own->at).text, {}, "");
    }
    step.inputs = std::move(guard.inputs);
    if (!guard.text.empty()) {
      step.condition_text = guard.text;
      step.condition = parse_expression(guard.text, source_, task.at);
    }
    read_kfp_platform(platform_, field_text(component, "executorLabel"), step, source_);
    return step;
  }

  const Node& container_of(const Field& task, const Node& component) const {
    const std::string label = field_text(component, "executorLabel");
    const Node& deployment = require(spec_, "deploymentSpec", "the PipelineSpec");
    const Node& executors = require(deployment, "executors", "the deploymentSpec");
    const Node* executor = executors.find(label);
    if (executor == nullptr)
      fail_at(source_, task.at, "the task '", task.name, "' names the unknown executor '", label,
              "'");
    const Node* container = executor->find("container");
    if (container == nullptr)
      fail_at(source_, executor->at, "the executor '", label, "' is no container, so the task '",
              task.name, "' cannot run here");
    return *container;
  }

  static void add_port(Step& step, const std::string& name, const Source& source) {
    if (step.find_input(name) != nullptr) return;
    InputPort port;
    port.name = name;
    port.source = source;
    port.at = step.at;
    step.inputs.push_back(port);
  }

  void read_ports(const Field& task, const Node& component, const Scope& scope, Step& step) const {
    const std::map<std::string, Type> types = types_of(component);
    for (const auto& [name, source] : sources_of(task, scope)) {
      add_port(step, name, source);
      InputPort& port = step.inputs.back();
      const auto type = types.find(name);
      // An input that only constants of others are made of has no type of its own.
      port.type = type == types.end() ? Type::String : type->second;
      if (type == types.end()) continue;
      // kfp lets any value be a string and any number a number; the graph's rules hold for the
      // rest.
      port.typed = is_artifact(port.type);
      if (source.kind == Source::Kind::Constant)
        port.source.constant = read_kfp_value(port.type, source.constant);
    }
    add_defaults(component, step);
    const Node* outputs = component.find("outputDefinitions");
    if (outputs == nullptr) return;
    for (const char* group : {"parameters", "artifacts"}) {
      const Node* entries = outputs->find(group);
      if (entries == nullptr) continue;
      for (const Field& entry : entries->fields) {
        OutputPort port;
        port.name = entry.name;
        port.at = entry.at;
        port.type = group == std::string("artifacts") ? read_kfp_schema(entry.value)
                                                      : read_kfp_type(entry.value, source_);
        port.path = "out/" + entry.name;
        port.path_given = true;  // kfp does not ask that a command names its outputs
        step.outputs.push_back(port);
      }
    }
  }

  void add_defaults(const Node& component, Step& step) const {
    const Node* definitions = component.find("inputDefinitions");
    const Node* parameters = definitions == nullptr ? nullptr : definitions->find("parameters");
    if (parameters == nullptr) return;
    for (const Field& field : parameters->fields) {
      const Node* fallback = field.value.find("defaultValue");
      if (fallback == nullptr || step.find_input(field.name) != nullptr) continue;
      const Type type = read_kfp_type(field.value, source_);
      add_port(step, field.name,
               {Source::Kind::Constant, "", "", read_kfp_value(type, to_json(*fallback))});
      step.inputs.back().type = type;
    }
  }

  const Node& spec_;
  const Node* platform_ = nullptr;
  const std::string& source_;
  std::vector<std::string> mounts_;  // of claims
  KfpGroups groups_;
  std::set<std::string> open_;   // components that are being read
  std::set<std::string> names_;  // of tasks, each once: groups could hold themselves otherwise
  std::map<std::string, std::string> importers_;  // step -> input of the pipeline
};

}  // namespace

bool is_kfp(const Node& document) noexcept {
  return document.find("schemaVersion") != nullptr || document.find("pipelineInfo") != nullptr;
}

Pipeline read_kfp(const std::vector<Node>& documents, const std::string& source,
                  const std::string& folder) {
  return KfpReader(documents, source).read(folder);
}

}  // namespace jetcal::pipeline
