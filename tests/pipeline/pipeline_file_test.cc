// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/pipeline_file.h"

#include <gmock/gmock.h>

namespace jetcal::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kHead = "format: jetcal-pipeline/1\nname: test\n";

std::string error_of(const std::string& text) {
  try {
    parse_pipeline(text, "p.yaml", "/");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(error.what(), ::testing::MatchesRegex("p.yaml:[0-9]+:[0-9]+: .*"));
    EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("\n")));
    return error.what();
  }
  return "no error";
}

// A step 'a' with an output, and what the test adds.
std::string with(const std::string& more) {
  return kHead +
         "parameters:\n  rate: {type: number, default: 0.1}\n  seeds: {type: list, default: [1]}\n"
         "inputs:\n  jets: {default: x.root}\n"
         "steps:\n  - name: a\n    command: make ${outputs.data}\n"
         "    outputs: {data: {type: Dataset}, loss: {type: number, stdout: true}}\n" +
         more;
}

TEST(PipelineFile, BuiltInsAreSound) {
  EXPECT_THAT(builtin_names(), ElementsAre("paper", "shards", "simulate"));
  for (const std::string& name : builtin_names()) {
    const Pipeline pipeline = parse_pipeline(builtin_text(name), name, ".");
    EXPECT_EQ(pipeline.name, name);
    EXPECT_NE(pipeline.find_step("tune"), nullptr);
    EXPECT_NE(pipeline.find_step("export"), nullptr);
    EXPECT_TRUE(pipeline.find_step("serve")->service.has_value());
  }
  EXPECT_THROW(builtin_text("other"), Error);
}

TEST(PipelineFile, ReadsEveryField) {
  const Pipeline pipeline = parse_pipeline(
      with(
          "    image: img:1\n    resources: {cores: 500m, memory: 2Gi, gpus: 1}\n"
          "    retries: {limit: 3, delay: 2s, factor: 3, max_delay: 1m}\n    time_limit: 1.5h\n"
          "    when: ${parameters.rate} > 0.05 and not (${parameters.rate} == 1)\n"
          "    environment: {OMP_NUM_THREADS: '1'}\n    pass_environment: [AWS_SECRET_ACCESS_KEY]\n"
          "    cache: false\n    resume: true\n"
          "  - name: b\n    command: [use, 'a b', '${inputs.data}', '$${x}', '${item.seed}']\n"
          "    inputs: {data: a.data}\n    after: [a]\n    for_each: [{seed: 1}, {seed: 2}]\n"),
      "p.yaml", "/");
  const Step& a = pipeline.steps[0];
  EXPECT_EQ(a.image, "img:1");
  EXPECT_DOUBLE_EQ(a.resources.cores, 0.5);
  EXPECT_EQ(a.resources.memory, 2LL << 30);
  EXPECT_EQ(a.resources.gpus, 1);
  EXPECT_EQ(a.retries.limit, 3);
  EXPECT_DOUBLE_EQ(a.retries.max_delay, 60);
  EXPECT_DOUBLE_EQ(a.time_limit, 5400);
  EXPECT_TRUE(a.condition.has_value());
  EXPECT_FALSE(a.cache);
  EXPECT_TRUE(a.resume);
  const Step& b = pipeline.steps[1];
  ASSERT_EQ(b.command.size(), 5U);
  EXPECT_EQ(b.command[1][0].text, "a b");
  EXPECT_EQ(b.command[3][0].text, "${x}");
  EXPECT_EQ(to_string(b.command[3]), "$${x}");
  EXPECT_EQ(to_string(b.command[4]), "${item.seed}");
  EXPECT_EQ(b.inputs[0].type, Type::Dataset);
  EXPECT_EQ(b.fan_out->items.size(), 2U);
}

TEST(PipelineFile, RefusesACycle) {
  EXPECT_THAT(error_of(kHead + "steps:\n"
                               "  - {name: a, command: 'x ${inputs.i} ${outputs.o}', inputs: {i: "
                               "c.o}, outputs: {o: {type: Model}}}\n"
                               "  - {name: b, command: 'x ${inputs.i} ${outputs.o}', inputs: {i: "
                               "a.o}, outputs: {o: {type: Model}}}\n"
                               "  - {name: c, command: 'x ${inputs.i} ${outputs.o}', inputs: {i: "
                               "b.o}, outputs: {o: {type: Model}}}\n"),
              StartsWith("p.yaml:5:12: the steps need each other in a circle: a -> c -> b -> a"));
  EXPECT_THAT(error_of(kHead + "steps:\n  - {name: a, command: x, after: [a]}\n"),
              HasSubstr("circle: a -> a"));
}

TEST(PipelineFile, RefusesUnknownStepsAndOutputs) {
  EXPECT_EQ(error_of(with("  - name: b\n    command: use\n    inputs: {d: aa.data}\n")),
            "p.yaml:14:14: the input 'd' of the step 'b' refers to the unknown step 'aa'; did you "
            "mean 'a'?");
  EXPECT_THAT(error_of(with("  - name: b\n    command: use\n    inputs: {d: a.date}\n")),
              HasSubstr("refers to the output 'date' that the step 'a' does not have; did you mean "
                        "'data'?"));
  EXPECT_THAT(error_of(with("  - name: b\n    command: use\n    after: [c]\n")),
              HasSubstr("comes after the unknown step 'c'"));
  EXPECT_THAT(error_of(with("  - name: b\n    command: use ${parameters.rat}\n")),
              HasSubstr("unknown parameter 'rat'; did you mean 'rate'?"));
  EXPECT_THAT(error_of(with("  - name: b\n    command: use\n    inputs: {d: inputs.jet}\n")),
              HasSubstr("unknown input 'jet' of the pipeline; did you mean 'jets'?"));
  EXPECT_THAT(error_of(with("  - name: b\n    command: use ${inputs.nothing}\n")),
              HasSubstr("names the input 'nothing' that the step does not have"));
}

TEST(PipelineFile, RefusesAnOutputThatNothingWrites) {
  EXPECT_EQ(
      error_of(kHead + "steps:\n  - name: a\n    command: make\n    outputs:\n      lost: "
                       "{type: Model}\n"),
      "p.yaml:7:7: nothing writes the output 'lost' of the step 'a': its command does not name "
      "${outputs.lost}, and it has neither a 'path' nor 'stdout: true'");
}

TEST(PipelineFile, RefusesWrongTypes) {
  EXPECT_EQ(
      error_of(with("  - name: b\n    command: use\n    inputs:\n      d: {type: Model, from: "
                    "a.data}\n")),
      "p.yaml:15:7: the input 'd' of the step 'b' is of type Model, but what it comes from is "
      "a Dataset");
  EXPECT_THAT(error_of(with("  - name: b\n    command: use\n    inputs: {d: {type: integer, from: "
                            "a.loss}}\n")),
              HasSubstr("is of type integer, but what it comes from is of type number"));
  EXPECT_THAT(error_of(kHead + "parameters:\n  n: {type: integer, default: 1.5}\nsteps: [{name: a, "
                               "command: x}]\n"),
              HasSubstr("the parameter 'n' is of type integer, but 1.5 is not"));
  EXPECT_THAT(
      error_of(kHead + "parameters:\n  n: {type: intger}\nsteps: [{name: a, command: x}]\n"),
      HasSubstr("unknown type 'intger'; did you mean 'integer'?"));
  EXPECT_THAT(error_of(kHead + "parameters:\n  n: {type: integer, default: 5, maximum: "
                               "3}\nsteps: [{name: a, command: x}]\n"),
              HasSubstr("must be at most 3, got 5"));
  EXPECT_THAT(error_of(with("  - name: b\n    command: use\n    inputs: {d: a.data}\n    when: "
                            "${inputs.d} == 1\n")),
              HasSubstr("uses ${inputs.d}, which is no value"));
  EXPECT_THAT(error_of(with("  - name: b\n    command: use\n    for_each: parameters.rate\n")),
              HasSubstr("needs a list"));
}

TEST(PipelineFile, RefusesDuplicateNames) {
  EXPECT_EQ(error_of(kHead + "steps:\n  - {name: a, command: x}\n  - {name: a, command: y}\n"),
            "p.yaml:5:12: the step 'a' is defined twice, first at line 4");
  EXPECT_THAT(error_of(kHead + "name: other\nsteps: [{name: a, command: x}]\n"),
              HasSubstr("the field 'name' is given twice"));
}

TEST(PipelineFile, RefusesWhatIsMissingOrMisspelt) {
  EXPECT_THAT(error_of("format: jetcal-pipeline/2\nname: x\n"), HasSubstr("jetcal-pipeline/1"));
  EXPECT_THAT(error_of(""), HasSubstr("empty"));
  EXPECT_THAT(error_of("- a\n"), HasSubstr("must be a mapping"));
  EXPECT_THAT(error_of(kHead), HasSubstr("no field 'steps'"));
  EXPECT_THAT(error_of(kHead + "steps: []\n"), HasSubstr("at least one step"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: A_b, command: x}]\n"), HasSubstr("a-z, 0-9"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, comand: x}]\n"), HasSubstr("no field 'command'"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, command: x, retrys: 2}]\n"),
              HasSubstr("did you mean 'retries'?"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, command: 'x ${output.a}'}]\n"),
              HasSubstr("${output.a} means nothing"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, command: \"x 'y\"}]\n"), HasSubstr("not closed"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, command: x, time_limit: soon}]\n"),
              HasSubstr("a time is written as"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, command: x, resources: {memory: 2Gb}}]\n"),
              HasSubstr("memory is written as"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, command: x, when: '1 <'}]\n"),
              HasSubstr("cannot be read"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, command: x, environment: {A: [1]}}]\n"),
              HasSubstr("the variable 'A' of the step 'a' must be text"));
  EXPECT_THAT(error_of(kHead + "parameters: {n: {type: string, choices: a}}\nsteps: [{name: a, "
                               "command: x}]\n"),
              HasSubstr("must be a list"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, command: 'x ${item}'}]\n"),
              HasSubstr("no 'for_each'"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, command: x, outputs: {o: {type: Model, path: "
                               "../x}}}]\n"),
              HasSubstr("within the step's work folder"));
  EXPECT_THAT(error_of(kHead + "recurring: {cron: '61 * * * *'}\nsteps: [{name: a, command: x}]\n"),
              HasSubstr("the minute of a schedule"));
}

TEST(PipelineFile, RefusesWhatIsTooLarge) {
  std::string many = kHead + "steps:\n";
  for (int i = 0; i <= 1000; ++i) many += "  - {name: s" + std::to_string(i) + ", command: x}\n";
  EXPECT_THAT(error_of(many), HasSubstr("p.yaml:1004:12: a pipeline has at most 1000 steps"));
  std::string chain = kHead + "steps:\n";
  for (int i = 1; i <= 1000; ++i) {
    chain += "  - {name: s" + std::to_string(i) + ", command: x" +
             (i < 1000 ? ", after: [s" + std::to_string(i + 1) + "]" : "") + "}\n";
  }
  EXPECT_EQ(in_order(parse_pipeline(chain, "p.yaml", "/")).front()->name, "s1000");
  std::string condition = "1 == 1";
  for (int i = 0; i < 1000; ++i) condition += " or 1 == 1";
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, command: x, when: '" + condition + "'}]\n"),
              HasSubstr("a condition has at most 4096 letters"));
  EXPECT_THAT(error_of(kHead + "steps: [{name: a, command: x, retries: 5000000000}]\n"),
              HasSubstr("from 0 to 1000"));
}

TEST(PipelineFile, RefusesAListOfListsToLoopOver) {
  EXPECT_THAT(
      error_of(kHead + "steps:\n  - {name: a, for_each: [1, 2], command: x, outputs: {l: {type: "
                       "list, stdout: true}}}\n  - {name: b, for_each: a.l, command: x}\n"),
      HasSubstr("needs one list, and 'a' gives one for each item"));
}

TEST(PipelineFile, SurvivesEveryTruncationOfABuiltIn) {
  const std::string text = builtin_text("paper");
  for (std::size_t length = 0; length < text.size(); length += 7) {
    try {
      parse_pipeline(text.substr(0, length), "p.yaml", "/");
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), StartsWith("p.yaml:"));
    }
  }
}

TEST(Quantities, AreReadOrRefused) {
  EXPECT_DOUBLE_EQ(parse_duration("250ms"), 0.25);
  EXPECT_DOUBLE_EQ(parse_duration("2d"), 172800);
  EXPECT_THROW(parse_duration("-1s"), Error);
  EXPECT_DOUBLE_EQ(parse_duration("10000d"), 864e6);
  EXPECT_THROW(parse_duration("1e300d"), Error);
  EXPECT_EQ(parse_memory("1.5Gi"), 1610612736);
  EXPECT_THROW(parse_memory("lots"), Error);
  EXPECT_THROW(parse_cores("nan"), Error);
  EXPECT_THAT(split_words("a 'b c' d\\ e \"f\\\"g\" ''"),
              ElementsAre("a", "b c", "d e", "f\"g", ""));
}

}  // namespace
}  // namespace jetcal::pipeline
