// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/pipeline_file.h"

#include "jetcal/base/files.h"
#include "jetcal/pipeline/cron.h"
#include "jetcal/pipeline/kfp_reader.h"

namespace jetcal::pipeline {
namespace {

constexpr std::int64_t kMaxRetries = 1000;

// Reads one file; every function reads what its name says.
class FileReader {
 public:
  FileReader(const std::string& source, std::string folder)
      : source_(source), folder_(std::move(folder)) {}

  Pipeline read(const Node& document) {
    MappingReader fields(source_, document, "the pipeline");
    Pipeline pipeline;
    pipeline.source = source_;
    pipeline.folder = folder_;
    const std::string format = fields.require_text("format");
    if (format != "jetcal-pipeline/1")
      fail_at(source_, document.find("format")->at, "the format must be 'jetcal-pipeline/1', got '",
              format, "'");
    pipeline.name = fields.require_text("name");
    pipeline.description = fields.text("description", "");
    pipeline.image = fields.text("image", "");
    if (const Node* node = fields.optional("parameters")) {
      for (const Field& field : mapping(*node, "parameters"))
        pipeline.parameters.push_back(parameter(field));
    }
    if (const Node* node = fields.optional("inputs")) {
      for (const Field& field : mapping(*node, "inputs"))
        pipeline.inputs.push_back(external(field));
    }
    if (const Node* node = fields.optional("recurring")) pipeline.recurrence = recurrence(*node);
    const Node& steps = fields.require("steps");
    if (steps.kind != Node::Kind::Sequence || steps.items.empty())
      fail_at(source_, steps.at, "the field 'steps' must be a list of at least one step");
    for (const Node& node : steps.items) pipeline.steps.push_back(step(node));
    fields.done();
    return pipeline;
  }

 private:
  const std::vector<Field>& mapping(const Node& node, const char* what) {
    if (node.kind != Node::Kind::Mapping)
      fail_at(source_, node.at, "the field '", what, "' must be a mapping of names");
    return node.fields;
  }

  Type type(MappingReader& fields, const std::string& fallback) {
    const std::string name =
        fallback.empty() ? fields.require_text("type") : fields.text("type", fallback);
    if (const auto found = find_type(name)) return *found;
    const Node* node = fields.optional("type");
    const std::string near = nearest(name, type_names());
    fail_at(source_, node->at, fields.what(), " has the unknown type '", name, "'",
            near.empty() ? "; types are string, integer, number, boolean, list, struct, Artifact, "
                           "Dataset, Model and Metrics"
                         : "; did you mean '" + near + "'?");
  }

  Parameter parameter(const Field& field) {
    Parameter parameter;
    parameter.name = field.name;
    parameter.at = field.at;
    MappingReader fields(source_, field.value, "the parameter '" + field.name + "'");
    parameter.type = type(fields, "");
    if (is_artifact(parameter.type))
      fail_at(source_, field.value.at, "the parameter '", field.name, "' cannot be a ",
              type_name(parameter.type), "; files from outside stand under 'inputs'");
    parameter.description = fields.text("description", "");
    if (const Node* node = fields.optional("default")) parameter.fallback = value(*node, parameter);
    if (const Node* node = fields.optional("choices")) {
      if (node->kind != Node::Kind::Sequence)
        fail_at(source_, node->at, "the choices of the parameter '", field.name,
                "' must be a list");
      for (const Node& item : node->items) parameter.choices.push_back(value(item, parameter));
    }
    if (fields.optional("minimum") != nullptr) parameter.minimum = fields.number("minimum", 0);
    if (fields.optional("maximum") != nullptr) parameter.maximum = fields.number("maximum", 0);
    fields.done();
    return parameter;
  }

  // Text stays text though it looks like a number.
  Json value(const Node& node, const Parameter& parameter) {
    Json value = parameter.type == Type::String && node.kind == Node::Kind::Scalar ? Json(node.text)
                                                                                   : to_json(node);
    if (!holds(parameter.type, value))
      fail_at(source_, node.at, "the parameter '", parameter.name, "' is of type ",
              type_name(parameter.type), ", but ", value.dump(), " is not");
    return value;
  }

  ExternalInput external(const Field& field) {
    ExternalInput input;
    input.name = field.name;
    input.at = field.at;
    MappingReader fields(source_, field.value, "the input '" + field.name + "'");
    input.type = type(fields, "Dataset");
    if (!is_artifact(input.type))
      fail_at(source_, field.value.at, "the input '", field.name,
              "' must be an Artifact, Dataset, Model or Metrics; values stand under 'parameters'");
    input.paths = fields.texts("default");
    input.description = fields.text("description", "");
    fields.done();
    return input;
  }

  Recurrence recurrence(const Node& node) {
    MappingReader fields(source_, node, "the field 'recurring'");
    Recurrence recurrence;
    const Node& cron = fields.require("cron");
    recurrence.cron =
        parse_at(source_, cron, [](const std::string& text) { return Cron(text).text(); });
    recurrence.max_concurrency = static_cast<int>(fields.integer("max_concurrency", 1));
    recurrence.catch_up = fields.boolean("catch_up", false);
    fields.done();
    return recurrence;
  }

  std::vector<Word> command(const Node& node) {
    std::vector<Word> words;
    if (node.kind == Node::Kind::Scalar) {
      for (const std::string& word : parse_at(source_, node, split_words))
        words.push_back(parse_word(word, source_, node.at));
    } else if (node.kind == Node::Kind::Sequence) {
      for (const Node& item : node.items) {
        if (item.kind != Node::Kind::Scalar)
          fail_at(source_, item.at, "a command is a list of words");
        words.push_back(parse_word(item.text, source_, item.at));
      }
    }
    if (words.empty())
      fail_at(source_, node.at, "a command is text or a list of words, and not empty");
    return words;
  }

  Source reference(const Node& node, const std::string& what) {
    const std::string& text = node.text;
    const std::size_t dot = text.find('.');
    if (node.kind != Node::Kind::Scalar || dot == 0 || dot == std::string::npos ||
        dot + 1 == text.size())
      fail_at(source_, node.at, what,
              " comes from STEP.OUTPUT, parameters.NAME or inputs.NAME, got '", text, "'");
    const std::string group = text.substr(0, dot), name = text.substr(dot + 1);
    if (group == "parameters") return {Source::Kind::Parameter, "", name, {}};
    if (group == "inputs") return {Source::Kind::External, "", name, {}};
    return {Source::Kind::Step, group, name, {}};
  }

  InputPort input(const Field& field, const std::string& step) {
    InputPort port;
    port.name = field.name;
    port.at = field.at;
    const std::string what = "the input '" + field.name + "' of the step '" + step + "'";
    if (field.value.kind == Node::Kind::Scalar) {
      port.source = reference(field.value, what);
      return port;
    }
    MappingReader fields(source_, field.value, what);
    port.source = reference(fields.require("from"), what);
    port.typed = fields.optional("type") != nullptr;
    if (port.typed) port.type = type(fields, "Artifact");
    port.optional = fields.boolean("optional", false);
    fields.done();
    return port;
  }

  OutputPort output(const Field& field, const std::string& step) {
    OutputPort port;
    port.name = field.name;
    port.at = field.at;
    const std::string what = "the output '" + field.name + "' of the step '" + step + "'";
    MappingReader fields(source_, field.value, what);
    port.type = type(fields, "");
    port.path = fields.text("path", "");
    port.path_given = !port.path.empty();
    port.from_stdout = fields.boolean("stdout", false);
    port.field = fields.text("field", "");
    fields.done();
    if (port.path_given && port.from_stdout && port.field.empty())
      fail_at(source_, field.at, what, " cannot be both a file and what the command prints");
    if (!port.field.empty() && is_artifact(port.type) && !(port.from_stdout && port.path_given))
      fail_at(source_, field.at, what, " is a ", type_name(port.type),
              "; with a 'field' it needs 'stdout: true' and a 'path' within the folder that the "
              "field names");
    if (port.path_given && (port.path.front() == '/' || port.path.find("..") != std::string::npos))
      fail_at(source_, field.at, what, " must lie within the step's work folder, got '", port.path,
              "'");
    if (!port.path_given) port.path = "out/" + port.name;
    return port;
  }

  Resources resources(const Node& node, const std::string& step) {
    MappingReader fields(source_, node, "the resources of the step '" + step + "'");
    Resources resources;
    if (const Node* cores = fields.optional("cores"))
      resources.cores = parse_at(source_, *cores, parse_cores);
    if (const Node* memory = fields.optional("memory"))
      resources.memory = parse_at(source_, *memory, parse_memory);
    resources.gpus = fields.integer("gpus", 0);
    if (resources.gpus < 0)
      fail_at(source_, node.at, "the step '", step, "' cannot have ", resources.gpus, " GPUs");
    fields.done();
    return resources;
  }

  Retries retries(const Node& node, const std::string& step) {
    Retries retries;
    if (node.kind == Node::Kind::Scalar) {
      const Json limit = to_json(node);
      if (!limit.is_number_integer() || limit.get<std::int64_t>() < 0 ||
          limit.get<std::int64_t>() > kMaxRetries)
        fail_at(source_, node.at, "the retries of the step '", step,
                "' must be a whole number from 0 to ", kMaxRetries, ", got '", node.text, "'");
      retries.limit = limit.get<int>();
      return retries;
    }
    MappingReader fields(source_, node, "the retries of the step '" + step + "'");
    const std::int64_t limit = fields.integer("limit", 0);
    if (const Node* delay = fields.optional("delay"))
      retries.delay = parse_at(source_, *delay, parse_duration);
    retries.factor = fields.number("factor", retries.factor);
    if (const Node* most = fields.optional("max_delay"))
      retries.max_delay = parse_at(source_, *most, parse_duration);
    if (limit < 0 || limit > kMaxRetries || retries.factor < 1)
      fail_at(source_, node.at, "the retries of the step '", step, "' need a limit from 0 to ",
              kMaxRetries, " and a factor from 1");
    retries.limit = static_cast<int>(limit);
    fields.done();
    return retries;
  }

  FanOut fan_out(const Node& node, const std::string& step) {
    FanOut fan;
    fan.at = node.at;
    const std::string what = "'for_each' of the step '" + step + "'";
    if (node.kind == Node::Kind::Sequence) {
      for (const Node& item : node.items) fan.items.push_back(to_json(item));
      if (fan.items.empty()) fail_at(source_, node.at, what, " is an empty list");
      return fan;
    }
    if (node.kind == Node::Kind::Scalar && node.text.find('.') == std::string::npos) {
      fan.step = node.text;
      return fan;
    }
    fan.source = reference(node, what);
    return fan;
  }

  Service service(const Node& node, const std::string& step) {
    MappingReader fields(source_, node, "the service of the step '" + step + "'");
    Service service;
    service.at = node.at;
    service.command = command(fields.require("command"));
    service.ready = fields.text("ready", service.ready);
    if (service.ready.empty() || service.ready.front() != '/')
      fail_at(source_, node.at, "the path 'ready' must begin with '/', got '", service.ready, "'");
    if (const Node* limit = fields.optional("start_limit"))
      service.start_limit = parse_at(source_, *limit, parse_duration);
    fields.done();
    return service;
  }

  // The text of a file that the step gets.
  Word file(const Field& field) {
    const bool outside = field.name.empty() || field.name.front() == '/' ||
                         field.name.find("..") != std::string::npos;
    if (outside || field.value.kind != Node::Kind::Scalar)
      fail_at(source_, field.at, "the file '", field.name,
              "' must be text, and lie within the step's work folder");
    return parse_word(field.value.text, source_, field.value.at);
  }

  Step step(const Node& node) {
    MappingReader fields(source_, node, "a step");
    Step step;
    step.at = node.at;
    step.name = fields.require_text("name");
    step.at = node.find("name")->at;
    fields = MappingReader(source_, node, "the step '" + step.name + "'");
    fields.optional("name");
    step.description = fields.text("description", "");
    step.image = fields.text("image", "");
    step.command = command(fields.require("command"));
    step.role = fields.text("role", "");
    step.pass = fields.texts("pass_environment");
    step.after = fields.texts("after");
    step.cache = fields.boolean("cache", true);
    step.resume = fields.boolean("resume", false);
    if (const Node* found = fields.optional("environment")) {
      for (const Field& field : mapping(*found, "environment")) {
        if (field.value.kind != Node::Kind::Scalar)
          fail_at(source_, field.value.at, "the variable '", field.name, "' of the step '",
                  step.name, "' must be text");
        step.environment[field.name] = parse_word(field.value.text, source_, field.value.at);
      }
    }
    if (const Node* found = fields.optional("files")) {
      for (const Field& field : mapping(*found, "files")) step.files[field.name] = file(field);
    }
    if (const Node* found = fields.optional("inputs")) {
      for (const Field& field : mapping(*found, "inputs"))
        step.inputs.push_back(input(field, step.name));
    }
    if (const Node* found = fields.optional("outputs")) {
      for (const Field& field : mapping(*found, "outputs"))
        step.outputs.push_back(output(field, step.name));
    }
    read_limits(fields, step);
    fields.done();
    return step;
  }

  void read_limits(MappingReader& fields, Step& step) {
    if (const Node* node = fields.optional("resources"))
      step.resources = resources(*node, step.name);
    if (const Node* node = fields.optional("retries")) step.retries = retries(*node, step.name);
    if (const Node* node = fields.optional("time_limit"))
      step.time_limit = parse_at(source_, *node, parse_duration);
    if (const Node* node = fields.optional("when")) {
      step.condition_text = node->text;
      step.condition = parse_expression(node->text, source_, node->at);
    }
    if (const Node* node = fields.optional("for_each")) step.fan_out = fan_out(*node, step.name);
    if (const Node* node = fields.optional("service")) step.service = service(*node, step.name);
  }

  const std::string& source_;
  std::string folder_;
};

}  // namespace

Pipeline read_pipeline(const Node& document, const std::string& source, const std::string& folder) {
  return FileReader(source, folder).read(document);
}

Pipeline parse_pipeline(const std::string& text, const std::string& source,
                        const std::string& folder) {
  const std::vector<Node> documents = parse_documents(text, source);
  if (documents.empty() || documents.front().kind == Node::Kind::Null)
    fail(ErrorCode::InvalidArgument, source, ":1:1: the file is empty");
  Pipeline pipeline;
  if (is_kfp(documents.front())) {
    pipeline = read_kfp(documents, source, folder);
  } else {
    if (documents.size() > 1)
      fail_at(source, documents[1].at, "a pipeline file holds one document, this is its second");
    pipeline = read_pipeline(documents.front(), source, folder);
  }
  check_graph(pipeline);
  return pipeline;
}

Pipeline load_pipeline(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path))
    fail(ErrorCode::InvalidArgument, "the pipeline ", path.string(), " is a folder, not a file");
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  return parse_pipeline(read_file(path), path.string(), folder.string());
}

}  // namespace jetcal::pipeline
