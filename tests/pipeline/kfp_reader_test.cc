// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/kfp_reader.h"

#include <gmock/gmock.h>

#include <sstream>

#include "jetcal/base/files.h"
#include "jetcal/pipeline/pipeline_file.h"
#include "jetcal/pipeline/render.h"

namespace jetcal::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// Two steps, the second one in a loop over fields of items and below a condition.
const std::string kText =
    read_file(std::filesystem::path(JETCAL_SOURCE_DIR) / "tests/fuzz/seeds/pipeline_fuzz/kfp.yaml");

// What is wrong with a text, or "".
std::string error_of(const std::string& text) {
  try {
    parse_pipeline(text, "p.yaml", "/");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument) << error.what();
    EXPECT_THAT(error.what(), MatchesRegex("p.yaml:[0-9]+:[0-9]+: .*"));
    return error.what();
  }
  return "";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(KfpReader, ReadsLoopsLimitsSecretsAndClaims) {
  const Pipeline pipeline = parse_pipeline(kText, "p.yaml", "/");
  ASSERT_EQ(pipeline.steps.size(), 3U);
  const Step& train = *pipeline.find_step("train");
  EXPECT_DOUBLE_EQ(train.time_limit, 20);
  EXPECT_EQ(train.retries.limit, 2);
  EXPECT_THAT(train.pass, ElementsAre("KEY"));
  EXPECT_EQ(train.resources.memory, 256LL << 20);
  EXPECT_EQ(train.resources.gpus, 1);
  EXPECT_EQ(train.find_input("n")->source.kind, Source::Kind::Item);
  EXPECT_EQ(train.find_input("n")->source.name, "a");
  EXPECT_EQ(train.fan_out->items.size(), 2U);
  EXPECT_EQ(loop_of(pipeline, train), "loop");
  EXPECT_THAT(train.after, ElementsAre("first"));
  const Step& last = *pipeline.find_step("last");
  EXPECT_EQ(last.find_input("tag")->source.step, "train");
  EXPECT_EQ(last.find_input("tag")->type, Type::List);
  EXPECT_THAT(last.after, ElementsAre("train"));
  // A path on a claim is data from outside, beside the file.
  EXPECT_EQ(pipeline.find_parameter("place"), nullptr);
  EXPECT_THAT(pipeline.find_external("place")->paths, ElementsAre("x/jets.root"));
}

TEST(KfpReader, TakesValuesThatTheComponentDoesNotKnowForText) {
  const std::string text =
      replaced(kText, "tag: {parameterType: STRING}", "other: {parameterType: STRING}");
  const Pipeline pipeline = parse_pipeline(text, "p.yaml", "/");
  EXPECT_EQ(pipeline.find_step("train")->find_input("tag")->type, Type::String);
  EXPECT_FALSE(render_argo(pipeline, {}).empty());
}

TEST(KfpReader, NamesThePlaceOfWhatItCannotRun) {
  const struct {
    const char *text, *instead, *told;
  } kCases[] = {
      {"componentRef: {name: comp-make}", "componentRef: {name: comp-loop}",
       "the component 'comp-loop' stands in itself"},
      {"outputParameterKey: all", "outputParameterKey: some",
       "the task 'loop' gives no output 'some'"},
      {"parseJson(string_value)[\"a\"]", "seconds(x)", "which means nothing here"},
      {"t-{{$.inputs.parameters['n']}}", "{{$.inputs.parameters['tag']}}", "is made of itself"},
      {"maxRetryCount: 2.0", "maxRetryCount: many", "the maxRetryCount must be a number"},
      {"resourceMemoryLimit: 256Mi", "resourceMemoryLimit: much", "memory is written as"},
      {"activeDeadlineSeconds: '20'", "activeDeadlineSeconds: soon", "a time is written as"},
      {", tag: {parameterType: STRING}}",
       "}\n      artifacts: {tag: {artifactType: {schemaTitle: system.Dataset}}}",
       "is a Dataset, but what it comes from is a value"},
      {"dependentTasks: [loop]", "dependentTasks: [lop]", "depends on the unknown task 'lop'"},
  };
  for (const auto& one : kCases)
    EXPECT_THAT(error_of(replaced(kText, one.text, one.instead)), HasSubstr(one.told));
}

// Within the group a-b, the task b of the group a would get the name a-b as well.
TEST(KfpReader, KeepsTasksApartWhoseNamesMeet) {
  const Pipeline pipeline = parse_pipeline(R"(
schemaVersion: 2.1.0
pipelineInfo: {name: meet}
components:
  comp-outer: {dag: {tasks: {a: {componentRef: {name: comp-inner}}}}}
  comp-inner: {dag: {tasks: {b: {componentRef: {name: comp-leaf}}}}}
  comp-leaf: {executorLabel: exec-leaf}
deploymentSpec: {executors: {exec-leaf: {container: {command: [sh], image: busybox}}}}
root:
  dag:
    tasks:
      b: {componentRef: {name: comp-leaf}}
      a-b: {componentRef: {name: comp-outer}}
      last: {componentRef: {name: comp-leaf}, dependentTasks: [a-b]}
)",
                                           "p.yaml", "/");
  EXPECT_NE(pipeline.find_step("b"), nullptr);
  EXPECT_THAT(pipeline.find_step("last")->after, ElementsAre("a-a-b"));
}

TEST(KfpReader, KeepsImportersApartWhoseNamesMeet) {
  const std::string text = R"(
schemaVersion: 2.1.0
pipelineInfo: {name: meet}
components:
  comp-importer: {executorLabel: exec-importer}
  comp-elsewhere: {executorLabel: exec-elsewhere}
  comp-leaf: {executorLabel: exec-leaf}
  comp-group:
    dag:
      tasks:
        importer: {componentRef: {name: comp-elsewhere}}
        leaf:
          componentRef: {name: comp-leaf}
          inputs: {artifacts: {data: {taskOutputArtifact: {outputArtifactKey: artifact, producerTask: importer}}}}
deploymentSpec:
  executors:
    exec-importer: {importer: {artifactUri: {constant: here}, typeSchema: {schemaTitle: system.Dataset}}}
    exec-elsewhere: {importer: {artifactUri: {constant: elsewhere}, typeSchema: {schemaTitle: system.Dataset}}}
    exec-leaf: {container: {command: [sh], image: busybox}}
root:
  dag:
    tasks:
      importer: {componentRef: {name: comp-importer}}
      group: {componentRef: {name: comp-group}}
)";
  const Pipeline pipeline = parse_pipeline(text, "p.yaml", "/");
  const std::string& input = pipeline.find_step("leaf")->find_input("data")->source.name;
  EXPECT_THAT(pipeline.find_external(input)->paths, ElementsAre("elsewhere"));
  EXPECT_THAT(
      error_of(replaced(text, "tasks:\n      importer:",
                        "tasks:\n      import-importer: {componentRef: {name: comp-importer}}\n"
                        "      importer:")),
      HasSubstr("the input 'importer' of the pipeline is defined twice"));
}

TEST(KfpReader, RefusesTextsThatMultiply) {
  const std::string text = std::string(10000, 'x') + "{{$.inputs.parameters['n']}}";
  const std::string once = replaced(kText, "t-{{$.inputs.parameters['n']}}", text);
  EXPECT_EQ(error_of(once), "");
  std::string many;
  for (int i = 0; i < 40; ++i) many += "\"{{$.inputs.parameters['tag']}}\", ";
  EXPECT_THAT(error_of(replaced(once, "args: [", "args: [" + many)),
              HasSubstr("the command of the step 'train' has more than 262144 letters"));
}

TEST(KfpReader, RefusesDagsThatMultiply) {
  std::string text =
      "schemaVersion: 2.1.0\npipelineInfo: {name: bomb}\nroot: {dag: {tasks: {t: "
      "{componentRef: {name: c0}}}}}\ncomponents:\n";
  for (int level = 0; level < 30; ++level) {
    const std::string next = "{componentRef: {name: c" + std::to_string(level + 1) + "}}";
    text +=
        "  c" + std::to_string(level) + ": {dag: {tasks: {a: " + next + ", b: " + next + "}}}\n";
  }
  text += "  c30: {dag: {tasks: {}}}\n";
  EXPECT_THAT(error_of(text), HasSubstr("more than 1000 tasks"));
}

TEST(KfpReader, SurvivesEveryTruncationAndEveryWrongValue) {
  for (std::size_t length = 0; length < kText.size(); length += 3)
    error_of(kText.substr(0, length));
  // Each scalar after a colon, one after the other, becomes something else.
  for (std::size_t at = kText.find(": "); at != std::string::npos; at = kText.find(": ", at + 2)) {
    const std::size_t end = kText.find_first_of(",}]\n", at);
    for (const char* value : {" x", " -1", " 1e300", " []", " {}", " [[1]]", " null", " ''"})
      error_of(kText.substr(0, at + 1) + value + kText.substr(end));
  }
}

}  // namespace
}  // namespace jetcal::pipeline
