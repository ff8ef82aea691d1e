// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/served_model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"

namespace jetcal::engine::detail {
namespace {

using testing::HasSubstr;

constexpr const char* kFull = R"(# a comment
name: "optimal"
platform: "onnxruntime_onnx"
max_batch_size: 100000
input [ { name: "pf_points" data_type: TYPE_FP32 dims: [ 2, -1 ] },
        { name: "pf_mask" data_type: TYPE_FP32 dims: 1 dims: -1 } ]
input < name: 'jet_features'; data_type: TYPE_FP32, dims: [8] >
output: [ { name: "out" "put" data_type: TYPE_FP32 dims: [ 1 ] } ]
optimization { graph { level: -1 } }
version_policy: { specific { versions: [1, 3] } }
instance_group [ { count: 2 kind: KIND_CPU } ]
dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100
  priority_levels: 2 default_priority_level: 2
  priority_queue_policy { key: 1 value { max_queue_size: 3 } } }
parameters { key: "engine" value: { string_value: "onnxruntime" } }
parameters: [ { key: "note", value { string_value: "caf\303\251 \x41\n" } } ]
)";

ServedModelConfig parse(const std::string& text) { return parse_config(text, "m/config.pbtxt"); }

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ParseConfig, ReadsEveryWayToWriteTheTextFormat) {
  const ServedModelConfig config = parse(kFull);
  EXPECT_EQ(config.name, "optimal");
  EXPECT_EQ(config.max_batch_size, 100000);
  ASSERT_EQ(config.inputs.size(), 3U);
  EXPECT_EQ(config.inputs[1].name, "pf_mask");
  EXPECT_EQ(config.inputs[1].shape, (std::vector<std::int64_t>{1, -1}));
  EXPECT_EQ(config.inputs[2].shape, (std::vector<std::int64_t>{8}));
  ASSERT_EQ(config.outputs.size(), 1U);
  EXPECT_EQ(config.outputs[0].name, "output");
  EXPECT_EQ(config.graph_level, -1);
  EXPECT_EQ(config.version_policy.kind, VersionPolicy::Kind::Specific);
  EXPECT_EQ(config.version_policy.versions, (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(config.parameters.at("engine"), "onnxruntime");
  EXPECT_EQ(config.parameters.at("note"), "caf\xc3\xa9 A\n");
}

TEST(ParseConfig, JsonHasDefaultsAndWhatWasGiven) {
  const nlohmann::ordered_json json = parse(kFull).to_json();
  EXPECT_EQ(json["input"][0]["dims"], (nlohmann::ordered_json{2, -1}));
  EXPECT_EQ(json["input"][0]["optional"], false);
  EXPECT_EQ(json["dynamic_batching"]["preferred_batch_size"], (nlohmann::ordered_json{4, 8}));
  EXPECT_EQ(json["dynamic_batching"]["priority_queue_policy"]["1"]["max_queue_size"], 3);
  EXPECT_EQ(json["instance_group"][0]["count"], 2);
  EXPECT_EQ(json["default_model_filename"], "model.onnx");
  const nlohmann::ordered_json defaults = parse("name: \"m\"").to_json();
  EXPECT_EQ(defaults["max_batch_size"], 0);
  EXPECT_EQ(defaults["version_policy"]["latest"]["num_versions"], 1);
  EXPECT_EQ(defaults["instance_group"][0]["name"], "m_0");
}

TEST(ParseConfig, NamesFileLineAndFieldOfAMistake) {
  EXPECT_EQ(error_of("name: \"m\"\nmax_batchsize: 4"),
            "m/config.pbtxt, line 2: the field 'max_batchsize' is unknown");
  EXPECT_THAT(error_of("input [ { name: \"x\" shape: [1] } ]"), HasSubstr("'shape' is unknown"));
  EXPECT_THAT(error_of("name: \"\\xCF\""), HasSubstr("'name' is no UTF-8"));
  EXPECT_THAT(error_of("parameters { key: \"\\xCF\" value { string_value: \"a\" } }"),
              HasSubstr("'key' is no UTF-8"));
  EXPECT_THAT(error_of("max_batch_size: \"4\""),
              HasSubstr("'max_batch_size' wants a whole number"));
  EXPECT_THAT(error_of("max_batch_size: 4x"), HasSubstr("wants a whole number"));
  EXPECT_THAT(error_of("max_batch_size { }"), HasSubstr("wants one value"));
  EXPECT_THAT(error_of("name: m"), HasSubstr("wants a string in quotes"));
  EXPECT_THAT(error_of("name: \"a\" name: \"b\""), HasSubstr("is there twice"));
  EXPECT_THAT(error_of("max_batch_size: -1"), HasSubstr("negative"));
  EXPECT_THAT(error_of("instance_group { kind: KIND_GPUS }"), HasSubstr("unknown kind KIND_GPUS"));
  EXPECT_THAT(error_of("input { name: \"x\" data_type: TYPE_FP7 }"), HasSubstr("TYPE_FP7"));
  EXPECT_THAT(error_of("input { name: \"x\" data_type: TYPE_FP32 dims: 0 }"),
              HasSubstr("a dimension 0"));
  EXPECT_THAT(error_of("parameters { key: \"a\" }"), HasSubstr("wants { key"));
  EXPECT_THAT(error_of("default_model_filename: \"../x.onnx\""), HasSubstr("plain file name"));
}

TEST(ParseConfig, RefusesWhatWouldChangeResults) {
  for (const char* text :
       {"ensemble_scheduling { }", "sequence_batching { }",
        "input { name: \"x\" data_type: TYPE_FP32 dims: 1 reshape { } }",
        "instance_group { kind: KIND_GPU }",
        "output { name: \"y\" data_type: TYPE_FP32 dims: 1 label_filename: \"labels.txt\" }",
        "input { name: \"x\" data_type: TYPE_FP32 dims: 1 is_shape_tensor: true }"}) {
    try {
      parse(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::Unimplemented) << error.what();
    }
  }
}

TEST(ParseConfig, SchedulingIsReadAndItsContradictionsAreNamed) {
  const Scheduling scheduling = parse(kFull).scheduling;
  EXPECT_TRUE(scheduling.batching);
  EXPECT_EQ(scheduling.level_of(0), 2U);
  EXPECT_EQ(scheduling.level_of(1), 1U);
  EXPECT_EQ(scheduling.level_of(9), 2U);
  EXPECT_EQ(scheduling.policy_of(1).max_queue_size, 3U);
  const auto batching = [](const std::string& members) {
    return error_of("max_batch_size: 8 dynamic_batching { " + members + " }");
  };
  EXPECT_THAT(batching("preferred_batch_size: 9"), HasSubstr("<= max batch size 8, not 9"));
  EXPECT_THAT(batching("priority_levels: 2"), HasSubstr("must be in range [1, 2]"));
  EXPECT_THAT(batching("default_queue_policy { timeout_action: WAIT }"), HasSubstr("not WAIT"));
  EXPECT_THAT(batching("max_queue_delay_microseconds: -1"), HasSubstr("is negative"));
  EXPECT_THAT(batching("priority_queue_policy { key: 3 value { } }"), HasSubstr("names level 3"));
}

TEST(ParseConfig, JsonIsHeldAgainstTheSameSchema) {
  const ServedModelConfig config = parse_config_json(
      R"({"name":"m","max_batch_size":"4","input":[{"name":"x","data_type":"TYPE_FP32","dims":["-1",2]}],)"
      R"("ensemble_scheduling":{},"instance_group":[{"count":2}],"parameters":{"a":{"string_value":"b"}}})",
      "sent");
  EXPECT_EQ(config.max_batch_size, 4);
  EXPECT_EQ(config.inputs.at(0).shape, (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(config.instances, 2);
  EXPECT_EQ(config.parameters.at("a"), "b");
  const auto problem = [](const std::string& text) -> std::string {
    try {
      parse_config_json(text, "sent");
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(problem("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(problem(R"({"max_batch":4})"), HasSubstr("'max_batch' is unknown"));
  EXPECT_THAT(problem(R"({"max_batch_size":4.5})"), HasSubstr("wants a whole number"));
  EXPECT_THAT(problem(R"({"input":{}})"), HasSubstr("wants an array"));
  EXPECT_THAT(problem(R"({"sequence_batching":{"oldest":{}}})"), HasSubstr("jetcal cannot do"));
  EXPECT_THAT(problem(R"({"optimization":{"cuda":)" + std::string(1000000, '[')),
              HasSubstr("nested too deeply"));
  EXPECT_THAT(problem(R"({"optimization":{"cuda":)" + std::string(1000000, '[') +
                      std::string(1000000, ']') + "}}"),
              HasSubstr("nested too deeply"));
}

TEST(ParseConfig, SurvivesTruncationAtEveryByte) {
  const std::string text = kFull;
  for (std::size_t size = 0; size < text.size(); ++size) {
    try {
      parse(text.substr(0, size));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::InvalidArgument) << size;
    }
  }
}

TEST(ParseConfig, SurvivesHostileText) {
  EXPECT_THAT(error_of(std::string("name: \"m\"\0x", 11)), HasSubstr("zero byte"));
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "model_warmup {";
  EXPECT_THAT(error_of(deep), HasSubstr("nested too deeply"));
  EXPECT_THAT(error_of("name: \"\\xZZ\""), HasSubstr("escape"));
  EXPECT_THAT(error_of("name: \"open\n\""), HasSubstr("does not end"));
  EXPECT_THAT(error_of("}"), HasSubstr("line 1"));
  EXPECT_THAT(error_of("name \"m\""), HasSubstr("has no ':'"));
}

}  // namespace
}  // namespace jetcal::engine::detail
