// SPDX-License-Identifier: Apache-2.0
// What a graph must fulfil before anything runs or is written from it.
#include <algorithm>
#include <functional>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {
namespace {

constexpr std::size_t kMaxStepName = 63;  // a DNS label

bool is_label(const std::string& name, std::size_t longest) {
  if (name.empty() || name.size() > longest || name.front() == '-' || name.back() == '-')
    return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
}

bool is_identifier(const std::string& name) {
  const std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && name.find_first_not_of(letters) == std::string::npos &&
         std::string("0123456789-").find(name.front()) == std::string::npos;
}

template <typename T>
std::vector<std::string> names_of(const std::vector<T>& all) {
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const T& one : all) names.push_back(one.name);
  return names;
}

std::string hint(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string near = nearest(word, candidates);
  return near.empty() ? "" : "; did you mean '" + near + "'?";
}

class GraphChecker {
 public:
  explicit GraphChecker(Pipeline& pipeline) : pipeline_(pipeline) {}

  void check() {
    if (!is_label(pipeline_.name, 60))
      stop({1, 1}, "the name of the pipeline must be 1 to 60 of a-z, 0-9 and '-', got '",
           pipeline_.name, "'");
    for (const Parameter& parameter : pipeline_.parameters) check_parameter(parameter);
    std::set<std::string> inputs;
    for (const ExternalInput& input : pipeline_.inputs) {
      if (!is_identifier(input.name)) bad_name(input.at, "input", input.name);
      if (!inputs.insert(input.name).second)
        stop(input.at, "the input '", input.name, "' of the pipeline is defined twice");
    }
    check_step_names();
    for (Step& step : pipeline_.steps) resolve_inputs(step);
    for (const Step& step : pipeline_.steps) check_order(step);
    find_cycle();
    for (const Step& step : pipeline_.steps) check_step(step);
  }

 private:
  template <typename... Parts>
  [[noreturn]] void stop(Position at, const Parts&... parts) const {
    fail_at(pipeline_.source, at, parts...);
  }

  [[noreturn]] void bad_name(Position at, const char* what, const std::string& name) const {
    stop(at, "the name of ", what, " '", name,
         "' must be letters, digits, '_' and '-', with a letter first");
  }

  void check_parameter(const Parameter& parameter) const {
    if (!is_identifier(parameter.name)) bad_name(parameter.at, "parameter", parameter.name);
    if ((parameter.minimum || parameter.maximum) && parameter.type != Type::Integer &&
        parameter.type != Type::Number)
      stop(parameter.at, "the parameter '", parameter.name,
           "' is no number and has no minimum or "
           "maximum");
    if (!parameter.fallback) return;
    try {
      check_value(parameter, *parameter.fallback);
    } catch (const Error& error) {
      stop(parameter.at, error.what());
    }
  }

  void check_step_names() const {
    if (pipeline_.steps.size() > kMaxSteps)
      stop(pipeline_.steps[kMaxSteps].at, "a pipeline has at most ", kMaxSteps, " steps, this has ",
           pipeline_.steps.size(), "; 'for_each' runs one step many times");
    std::map<std::string, Position> seen;
    for (const Step& step : pipeline_.steps) {
      if (!is_label(step.name, kMaxStepName))
        stop(step.at, "the name of a step must be 1 to ", kMaxStepName,
             " of a-z, 0-9 and '-', got '", step.name, "'");
      if (step.name == "parameters" || step.name == "inputs" || step.name == "item")
        stop(step.at, "a step cannot be named '", step.name, "', the word means something else");
      const auto [earlier, fresh] = seen.emplace(step.name, step.at);
      if (!fresh)
        stop(step.at, "the step '", step.name, "' is defined twice, first at line ",
             earlier->second.line);
    }
  }

  // Finds what a source gives. `what` is who asks.
  Type type_of(const Source& source, Position at, const std::string& what) const {
    switch (source.kind) {
      case Source::Kind::Parameter: {
        const Parameter* found = pipeline_.find_parameter(source.name);
        if (found == nullptr)
          stop(at, what, " refers to the unknown parameter '", source.name, "'",
               hint(source.name, names_of(pipeline_.parameters)));
        return found->type;
      }
      case Source::Kind::External: {
        const ExternalInput* found = pipeline_.find_external(source.name);
        if (found == nullptr)
          stop(at, what, " refers to the unknown input '", source.name, "' of the pipeline",
               hint(source.name, names_of(pipeline_.inputs)));
        return found->type;
      }
      case Source::Kind::Step: {
        const Step* producer = pipeline_.find_step(source.step);
        if (producer == nullptr)
          stop(at, what, " refers to the unknown step '", source.step, "'",
               hint(source.step, names_of(pipeline_.steps)));
        const OutputPort* output = producer->find_output(source.name);
        if (output == nullptr)
          stop(at, what, " refers to the output '", source.name, "' that the step '", source.step,
               "' does not have", hint(source.name, names_of(producer->outputs)));
        return output->type;
      }
      default:
        return Type::Struct;
    }
  }

  void resolve_inputs(Step& step) const {
    for (InputPort& port : step.inputs) {
      const std::string what = "the input '" + port.name + "' of the step '" + step.name + "'";
      if (port.source.kind == Source::Kind::Constant || port.source.kind == Source::Kind::Item) {
        if (is_artifact(port.type))
          stop(port.at, what, " is a ", type_name(port.type),
               ", but what it comes from is a value");
        continue;
      }
      if (!is_identifier(port.name)) bad_name(port.at, "input", port.name);
      const Type given = type_of(port.source, port.at, what);
      const bool list = collects(step, port);
      if (!port.typed) {
        port.type = list && !is_artifact(given) ? Type::List : given;
      } else if (list && !is_artifact(given) && port.type != Type::List) {
        stop(port.at, what, " is of type ", type_name(port.type), ", but '", port.source.step,
             "' runs once per item and gives a list");
      } else if (!list && !accepts(port.type, given)) {
        stop(port.at, what, " is of type ", type_name(port.type), ", but what it comes from is ",
             is_artifact(given) ? "a " : "of type ", type_name(given));
      } else if (list && is_artifact(given) && !accepts(port.type, given)) {
        stop(port.at, what, " is of type ", type_name(port.type), ", but what it comes from is a ",
             type_name(given));
      }
    }
  }

  // An input from a step that is fanned out, seen from one that does not run along with it.
  bool collects(const Step& step, const InputPort& port) const {
    if (port.source.kind != Source::Kind::Step) return false;
    const Step* producer = pipeline_.find_step(port.source.step);
    return producer != nullptr && gathers(pipeline_, step, *producer);
  }

  void check_order(const Step& step) const {
    for (const std::string& name : step.after) {
      if (pipeline_.find_step(name) == nullptr)
        stop(step.at, "the step '", step.name, "' comes after the unknown step '", name, "'",
             hint(name, names_of(pipeline_.steps)));
    }
    if (!step.fan_out) return;
    const FanOut& fan = *step.fan_out;
    const std::string what = "'for_each' of the step '" + step.name + "'";
    if (!fan.step.empty()) {
      const Step* other = pipeline_.find_step(fan.step);
      if (other == nullptr)
        stop(fan.at, what, " refers to the unknown step '", fan.step, "'",
             hint(fan.step, names_of(pipeline_.steps)));
      if (!other->fan_out)
        stop(fan.at, what, " follows the step '", fan.step, "', which runs only once");
    }
    if (fan.source && type_of(*fan.source, fan.at, what) != Type::List)
      stop(fan.at, what, " needs a list");
    if (fan.source && fan.source->kind == Source::Kind::Step &&
        pipeline_.find_step(fan.source->step)->fan_out)
      stop(fan.at, what, " needs one list, and '", fan.source->step, "' gives one for each item");
  }

  void find_cycle() const {
    std::map<std::string, int> state;  // 1: on the way, 2: done
    std::vector<std::string> way;
    const std::function<void(const Step&)> visit = [&](const Step& step) {
      state[step.name] = 1;
      way.push_back(step.name);
      for (const std::string& name : needs(pipeline_, step)) {
        if (state[name] == 1) {
          std::string circle;
          for (auto one = std::find(way.begin(), way.end(), name); one != way.end(); ++one)
            circle += *one + " -> ";
          stop(step.at, "the steps need each other in a circle: ", circle, name);
        }
        if (state[name] == 0) visit(*pipeline_.find_step(name));
      }
      way.pop_back();
      state[step.name] = 2;
    };
    for (const Step& step : pipeline_.steps) {
      if (state[step.name] == 0) visit(step);
    }
  }

  void check_fragment(const Step& step, const Fragment& part, Position at,
                      const char* where) const {
    using Kind = Fragment::Kind;
    const std::string what = std::string(where) + " of the step '" + step.name + "'";
    if (part.kind == Kind::Parameter) {
      type_of({Source::Kind::Parameter, "", part.text, {}}, at, what);
    } else if (part.kind == Kind::Input && step.find_input(part.text) == nullptr) {
      stop(at, what, " names the input '", part.text, "' that the step does not have",
           hint(part.text, names_of(step.inputs)));
    } else if (part.kind == Kind::Output && step.find_output(part.text) == nullptr) {
      stop(at, what, " names the output '", part.text, "' that the step does not have",
           hint(part.text, names_of(step.outputs)));
    } else if (part.kind == Kind::Item && !step.fan_out) {
      stop(at, what, " uses ${item}, but the step has no 'for_each'");
    } else if (part.kind == Kind::Service && !step.service) {
      stop(at, what, " uses ${service.", part.text, "}, but the step has no 'service'");
    }
  }

  void check_words(const Step& step, const std::vector<Word>& words, Position at,
                   const char* where) const {
    for (const Word& word : words) {
      for (const Fragment& part : word) check_fragment(step, part, at, where);
    }
  }

  void check_step(const Step& step) const {
    check_words(step, step.command, step.at, "the command");
    for (const auto& [name, word] : step.environment) {
      if (!is_identifier(name)) bad_name(step.at, "environment variable", name);
      check_words(step, {word}, step.at, "the environment");
    }
    for (const auto& [name, word] : step.files) check_words(step, {word}, step.at, "a file");
    if (step.service) check_words(step, step.service->command, step.service->at, "the service");
    if (!step.role.empty() && step.role != "tune" && step.role != "train" &&
        step.role != "export" && step.role != "serve")
      stop(step.at, "the role of the step '", step.name,
           "' must be tune, train, export or serve, got '", step.role, "'");
    check_outputs(step);
    if (step.condition) check_condition(step);
  }

  void check_outputs(const Step& step) const {
    int prints = 0;
    for (const OutputPort& port : step.outputs) {
      if (!is_identifier(port.name)) bad_name(port.at, "output", port.name);
      if (port.from_stdout && is_artifact(port.type) && port.field.empty() && ++prints > 1)
        stop(port.at, "the step '", step.name, "' can print only one artefact");
      if (port.path_given || port.from_stdout || names_output(step, port.name)) continue;
      stop(port.at, "nothing writes the output '", port.name, "' of the step '", step.name,
           "': its command does not name ${outputs.", port.name,
           "}, and it has neither a 'path' nor 'stdout: true'");
    }
  }

  static bool names_output(const Step& step, const std::string& name) {
    const auto has = [&name](const Word& word) {
      return std::any_of(word.begin(), word.end(), [&name](const Fragment& part) {
        return part.kind == Fragment::Kind::Output && part.text == name;
      });
    };
    return std::any_of(step.command.begin(), step.command.end(), has) ||
           std::any_of(step.environment.begin(), step.environment.end(),
                       [&has](const auto& entry) { return has(entry.second); });
  }

  void check_condition(const Step& step) const {
    for_each_reference(*step.condition, [&](const Fragment& part) {
      using Kind = Fragment::Kind;
      check_fragment(step, part, step.at, "the condition");
      const InputPort* input = part.kind == Kind::Input ? step.find_input(part.text) : nullptr;
      if ((input != nullptr && is_artifact(input->type)) ||
          (part.kind != Kind::Input && part.kind != Kind::Parameter && part.kind != Kind::Item))
        stop(step.at, "the condition of the step '", step.name, "' uses ", to_string(Word{part}),
             ", which is no value");
    });
  }

  Pipeline& pipeline_;
};

}  // namespace

void check_value(const Parameter& parameter, const Json& value) {
  if (!holds(parameter.type, value))
    fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' is of type ",
         type_name(parameter.type), ", but ", value.dump(), " is not");
  if (!parameter.choices.empty() && std::find(parameter.choices.begin(), parameter.choices.end(),
                                              value) == parameter.choices.end())
    fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' must be one of ",
         Json(parameter.choices).dump(), ", got ", value.dump());
  if (parameter.minimum && value.get<double>() < *parameter.minimum)
    fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' must be at least ",
         *parameter.minimum, ", got ", value.dump());
  if (parameter.maximum && value.get<double>() > *parameter.maximum)
    fail(ErrorCode::InvalidArgument, "the parameter '", parameter.name, "' must be at most ",
         *parameter.maximum, ", got ", value.dump());
}

Json read_value(const Parameter& parameter, const std::string& text) {
  Json value = text;
  if (parameter.type == Type::List || parameter.type == Type::Struct) {
    const std::vector<Node> documents =
        parse_documents(text, "the parameter '" + parameter.name + "'");
    value = documents.empty() ? Json() : to_json(documents.front());
  } else if (parameter.type != Type::String) {
    Node node;
    node.kind = Node::Kind::Scalar;
    node.text = text;
    value = to_json(node);
  }
  check_value(parameter, value);
  return value;
}

std::vector<std::string> needs(const Pipeline& pipeline, const Step& step) {
  std::vector<std::string> wanted = step.after;
  for (const InputPort& port : step.inputs) {
    if (port.source.kind == Source::Kind::Step) wanted.push_back(port.source.step);
  }
  if (step.fan_out && step.fan_out->source && step.fan_out->source->kind == Source::Kind::Step)
    wanted.push_back(step.fan_out->source->step);
  if (step.fan_out && !step.fan_out->step.empty()) wanted.push_back(step.fan_out->step);
  std::vector<std::string> names;
  for (const Step& one : pipeline.steps) {
    if (std::find(wanted.begin(), wanted.end(), one.name) != wanted.end())
      names.push_back(one.name);
  }
  return names;
}

std::vector<const Step*> in_order(const Pipeline& pipeline) {
  std::vector<std::vector<std::string>> before;
  for (const Step& step : pipeline.steps) before.push_back(needs(pipeline, step));
  std::vector<const Step*> order;
  std::set<std::string> placed;
  const auto is_placed = [&placed](const std::string& name) { return placed.count(name) != 0; };
  while (order.size() < pipeline.steps.size()) {
    for (std::size_t i = 0; i < pipeline.steps.size(); ++i) {
      const Step& step = pipeline.steps[i];
      if (is_placed(step.name) || !std::all_of(before[i].begin(), before[i].end(), is_placed))
        continue;
      order.push_back(&step);
      placed.insert(step.name);
      break;
    }
  }
  return order;
}

void check_graph(Pipeline& pipeline) { GraphChecker(pipeline).check(); }

}  // namespace jetcal::pipeline
