// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/binding.h"

#include <gmock/gmock.h>

#include "jetcal/pipeline/pipeline_file.h"

namespace jetcal::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

const char* kText = R"(
format: jetcal-pipeline/1
name: test
parameters:
  rate: {type: number, default: 0.5}
  seeds: {type: list, default: [1, 2]}
  other: {type: string, default: x}
inputs: {jets: {default: x.root}}
steps:
  - name: a
    command: 'make --rate=${parameters.rate} ${inputs.jets} --files=${inputs.jets} ${parameters.seeds} ${inputs.note} --n=${inputs.note} ${outputs.o} $${x}'
    inputs: {jets: inputs.jets, note: {from: b.note, optional: true}}
    outputs: {o: {type: Model}}
    resources: {cores: 4}
    files: {c.yaml: 'seeds: ${parameters.seeds}', d: '${inputs.jets}'}
    environment: {SEEDS: '${parameters.seeds}', JETS: '${inputs.jets}', NOTE: '${inputs.note}'}
  - name: b
    command: 'x ${outputs.note}'
    outputs: {note: {type: Artifact}}
)";

class BindingTest : public ::testing::Test {
 protected:
  BindingTest() : pipeline_(parse_pipeline(kText, "p.yaml", "/")) {
    binding_.step = &pipeline_.steps[0];
    for (const Parameter& one : pipeline_.parameters) binding_.parameters[one.name] = *one.fallback;
    BoundInput jets;
    jets.type = Type::Dataset;
    jets.list = true;
    jets.artifacts = {{"/d/1.root", "h1", "/d/1.root"}, {"/d/2 3.root", "h2", "/d/2 3.root"}};
    binding_.inputs["jets"] = jets;
    binding_.inputs["note"].absent = true;
    binding_.work = "/w";
  }
  std::string key() const { return key_of(key_components(binding_, {{"make", "hash"}})); }
  Pipeline pipeline_;
  Binding binding_;
};

TEST_F(BindingTest, ExpandsListsAndLeavesAbsentWordsOut) {
  EXPECT_THAT(expand(binding_.step->command, binding_),
              ElementsAre("make", "--rate=0.5", "/d/1.root", "/d/2 3.root",
                          "--files=/d/1.root,/d/2 3.root", "1", "2", "/w/out/o", "${x}"));
  EXPECT_THAT(expand_files(binding_),
              ElementsAre(Pair("c.yaml", "seeds: 1,2"), Pair("d", "/d/1.root,/d/2 3.root")));
  EXPECT_THAT(expand_environment(binding_),
              ElementsAre(Pair("JETS", "/d/1.root,/d/2 3.root"), Pair("SEEDS", "1,2")));
}

TEST_F(BindingTest, KeyFollowsWhatDecidesAndNothingElse) {
  const std::string before = key();
  binding_.work = "/elsewhere";
  binding_.cores = 7;
  binding_.parameters["other"] = "y";  // no word names it
  binding_.inputs["jets"].artifacts[0].path = "/moved/1.root";
  EXPECT_EQ(key(), before);
  binding_.parameters["rate"] = 0.25;
  EXPECT_NE(key(), before);
  binding_.parameters["rate"] = 0.5;
  EXPECT_EQ(key(), before);
  binding_.inputs["jets"].artifacts[0].sha256 = "h3";
  EXPECT_NE(key(), before);
  EXPECT_NE(key_of(key_components(binding_, {{"make", "other"}})), key());
}

TEST_F(BindingTest, DifferencesAreSentences) {
  const Json before = key_components(binding_, {{"make", "hash"}});
  binding_.parameters["rate"] = 0.25;
  binding_.inputs["jets"].artifacts.pop_back();
  const Json now = key_components(binding_, {{"make", "other"}});
  EXPECT_THAT(differences(now, before), ElementsAre("the parameter rate is 0.25, was 0.5",
                                                    "the input jets has other contents",
                                                    "the program make is \"other\", was \"hash\""));
  EXPECT_TRUE(differences(now, now).empty());
}

}  // namespace
}  // namespace jetcal::pipeline
