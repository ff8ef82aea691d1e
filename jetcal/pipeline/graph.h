// SPDX-License-Identifier: Apache-2.0
// The one form of a pipeline: what files are read into, what runs here and what writers render.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/pipeline/document.h"

namespace jetcal::pipeline {

/// Types of parameters and artefacts; the names are those of pipeline files.
enum class Type {
  String,
  Integer,
  Number,
  Boolean,
  List,
  Struct,
  Artifact,
  Dataset,
  Model,
  Metrics
};

std::string_view type_name(Type type) noexcept;
std::optional<Type> find_type(std::string_view name) noexcept;
std::vector<std::string> type_names();
/// Tells files and folders from values.
bool is_artifact(Type type) noexcept;
/// Tells whether an input of type `to` takes what an output of type `from` gives: the same type,
/// an integer where a number is asked for, any artefact where an Artifact is.
bool accepts(Type to, Type from) noexcept;
bool holds(Type type, const Json& value) noexcept;

/// Where a value comes from.
struct Source {
  enum class Kind { Constant, Parameter, External, Step, Item };
  Kind kind = Kind::Constant;
  std::string step;  ///< Step: its name.
  std::string name;  ///< Parameter, external input, or output of the step; Item: field, or "".
  Json constant;
  bool operator==(const Source&) const = default;
};

/// A piece of a word of a command.
struct Fragment {
  enum class Kind { Text, Parameter, Input, Output, Item, Work, Resource, Service };
  Kind kind = Kind::Text;
  std::string text;   ///< The text, or the name behind the dot of the placeholder.
  bool json = false;  ///< A list or struct stays one word of JSON, as kfp has it.
};
using Word = std::vector<Fragment>;

/// A condition such as `${parameters.deploy} and ${inputs.loss} < 0.1`.
struct Expression {
  enum class Kind {
    Literal,
    Reference,
    Not,
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual
  };
  Kind kind = Kind::Literal;
  Json literal;
  Fragment reference;
  std::vector<Expression> operands;
};

struct Parameter {
  std::string name;
  Type type = Type::String;
  std::optional<Json> fallback;  ///< Absent: a run must give it.
  std::string description;
  std::vector<Json> choices;  ///< Empty: any.
  std::optional<double> minimum, maximum;
  Position at;
};

/// Files or a folder that come from outside.
struct ExternalInput {
  std::string name;
  Type type = Type::Dataset;
  /// Default: s3://bucket/key, or relative to the pipeline file; * and ? in the end.
  std::vector<std::string> paths;
  std::string description;
  Position at;

  /// Returns where it lies on a cluster: its path, or its name where it has none. Throws
  /// Unimplemented for several paths and for patterns, which only a run here looks up.
  const std::string& place() const;
};

struct InputPort {
  std::string name;
  Type type = Type::Artifact;
  bool typed = false;  ///< The file says the type; else it is the producer's.
  Source source;
  bool optional = false;  ///< A skipped producer leaves the words with it out.
  Position at;
};

struct OutputPort {
  std::string name;
  Type type = Type::Artifact;
  std::string path;          ///< Where the command leaves it, relative to its work folder.
  bool path_given = false;   ///< The file names the path; else the command must name the output.
  bool from_stdout = false;  ///< It is what the command prints.
  std::string field;  ///< Dotted name within a JSON document: of a value, or, of an artefact,
                      ///< the folder in which `path` lies.
  Position at;
};

struct Resources {
  double cores = 1;
  std::int64_t memory = 0;  ///< Bytes; 0: not said.
  std::int64_t gpus = 0;
};

struct Retries {
  int limit = 0;                                  ///< Attempts after the first.
  double delay = 1, factor = 2, max_delay = 300;  ///< Seconds.
};

struct FanOut {
  std::vector<Json> items;       ///< A list in the file; or
  std::optional<Source> source;  ///< a list parameter or a list output; or
  std::string step;              ///< the instances of another fanned out step.
  std::string loop;              ///< Steps with the same name here run along with each other.
  Position at;
};

/// A process that runs beside the command, which starts when it is ready.
struct Service {
  std::vector<Word> command;
  std::string ready = "/v2/health/ready";  ///< Path that answers 200 over HTTP when it is ready.
  double start_limit = 120;                ///< Seconds.
  Position at;
};

struct Step {
  std::string name;
  std::string description;
  std::string image;
  std::vector<Word> command;
  std::map<std::string, Word> environment;  ///< Declared, part of the key.
  std::map<std::string, Word> files;        ///< Written into the work folder: name -> text.
  std::vector<std::string> pass;            ///< Names handed through, not part of the key.
  std::vector<InputPort> inputs;
  std::vector<OutputPort> outputs;
  Resources resources;
  Retries retries;
  double time_limit = 0;  ///< Seconds; 0: none.
  std::optional<Expression> condition;
  std::string condition_text;
  std::optional<FanOut> fan_out;
  std::vector<std::string> after;
  std::optional<Service> service;
  bool cache = true;
  bool resume = false;  ///< The command goes on with what an earlier attempt left in its folder.
  std::string role;  ///< "tune", "train", "export" or "serve": what Kubernetes runs it as; or "".
  Position at;

  const InputPort* find_input(std::string_view name) const noexcept;
  const OutputPort* find_output(std::string_view name) const noexcept;
};

/// When a pipeline runs by itself.
struct Recurrence {
  std::string cron;  ///< Six fields, seconds first, as Kubeflow has it.
  int max_concurrency = 1;
  bool catch_up = false;
};

struct Pipeline {
  std::string name;
  std::string description;
  std::string source;  ///< The file, as errors name it.
  std::string folder;  ///< Where relative paths of external inputs begin.
  std::string image;   ///< Of steps that name none.
  std::vector<Parameter> parameters;
  std::vector<ExternalInput> inputs;
  std::vector<Step> steps;
  std::optional<Recurrence> recurrence;

  const Parameter* find_parameter(std::string_view name) const noexcept;
  const ExternalInput* find_external(std::string_view name) const noexcept;
  const Step* find_step(std::string_view name) const noexcept;
};

/// More steps than anybody draws; a file with more is refused before it takes hours to order them.
inline constexpr std::size_t kMaxSteps = 1000;

/// Names of the steps that must end before `step` starts, each once, in the order of the file.
std::vector<std::string> needs(const Pipeline& pipeline, const Step& step);

/// Name of the loop that a step runs in, which steps that run along with each other share: they see
/// what the others gave for their own item. "" outside of loops.
std::string loop_of(const Pipeline& pipeline, const Step& step);
/// Tells whether an input of `step` gathers what `producer` gives for all of its items.
bool gathers(const Pipeline& pipeline, const Step& step, const Step& producer);

/// Steps in an order in which each comes after those it needs; ties in the order of the file.
/// Requires a checked pipeline.
std::vector<const Step*> in_order(const Pipeline& pipeline);

/// Checks the graph: names, references, types, conditions, cycles, outputs that nothing writes.
/// Throws InvalidArgument, one clear sentence with line and column.
void check_graph(Pipeline& pipeline);

/// Throws InvalidArgument for a value of another type, outside of its range or choices.
void check_value(const Parameter& parameter, const Json& value);
/// Reads the value of a parameter from a flag's text, and checks it.
Json read_value(const Parameter& parameter, const std::string& text);

/// Splits `${...}` placeholders from text; `$${` stands for `${`. Throws with the place for a
/// placeholder that means nothing.
Word parse_word(const std::string& text, const std::string& source, Position at);

/// Prints a word as pipeline files write it.
std::string to_string(const Word& word);

/// Reads a condition: comparisons of placeholders, numbers and 'text', joined by and, or, not, ().
Expression parse_expression(const std::string& text, const std::string& source, Position at);

/// Evaluates it; `value_of` gives what a reference stands for. Throws InvalidArgument where values
/// cannot be compared.
template <typename ValueOf>
bool evaluate(const Expression& expression, const ValueOf& value_of);

bool compare(Expression::Kind kind, const Json& left, const Json& right);
bool truth(const Json& value);

template <typename ValueOf>
bool evaluate(const Expression& expression, const ValueOf& value_of) {
  using Kind = Expression::Kind;
  const auto value = [&](const Expression& one) -> Json {
    if (one.kind == Kind::Literal) return one.literal;
    if (one.kind == Kind::Reference) return value_of(one.reference);
    return evaluate(one, value_of);
  };
  switch (expression.kind) {
    case Kind::Literal:
    case Kind::Reference:
      return truth(value(expression));
    case Kind::Not:
      return !evaluate(expression.operands[0], value_of);
    case Kind::And:
      return evaluate(expression.operands[0], value_of) &&
             evaluate(expression.operands[1], value_of);
    case Kind::Or:
      return evaluate(expression.operands[0], value_of) ||
             evaluate(expression.operands[1], value_of);
    default:
      return compare(expression.kind, value(expression.operands[0]), value(expression.operands[1]));
  }
}

/// Calls `visit` for every reference of a condition.
template <typename Visit>
void for_each_reference(const Expression& expression, const Visit& visit) {
  if (expression.kind == Expression::Kind::Reference) visit(expression.reference);
  for (const Expression& operand : expression.operands) for_each_reference(operand, visit);
}

}  // namespace jetcal::pipeline
