// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/container_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"

namespace jetcal::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> paths(const std::string& text) {
  std::vector<std::string> found;
  for (const auto& path : parse_gathered(text, "/in").paths) found.push_back(path.string());
  return found;
}

// What Kubeflow Pipelines puts in the place of {{$}}.
std::string executor_input(const std::string& artifacts) {
  return R"(models={"inputs": {"artifacts": {"models": {"artifacts": [)" + artifacts + "]}}}}";
}

TEST(ParseGathered, FindsNamesBelowTheFolderOfTheInput) {
  EXPECT_EQ(parse_gathered("models=[]", "/in").name, "models");
  EXPECT_THAT(paths(R"(models=["b", "a"])"), ElementsAre("/in/models/b", "/in/models/a"));
  EXPECT_THAT(paths(R"(models=["/run/a"])"), ElementsAre("/run/a"));
  EXPECT_THAT(paths(R"(models=[{"loss": "1", "jetcal-pod": "p-2"}])"),
              ElementsAre("/in/models/p-2"));
  EXPECT_THAT(paths("models=[]"), IsEmpty());
}

TEST(ParseGathered, FindsWhereTheLauncherBringsArtefactsTo) {
  EXPECT_THAT(paths(executor_input(R"({"uri": "minio://b/x/model"}, {"uri": "s3://b/y"},
                                      {"uri": "gs://b/z"})")),
              ElementsAre("/minio/b/x/model", "/s3/b/y", "/gcs/b/z"));
  EXPECT_THAT(paths(executor_input(R"({"uri": "s3://b/y", "customPath": "/data/y"})")),
              ElementsAre("/data/y"));
  EXPECT_THAT(paths(executor_input(R"({"uri": "s3://b/y", "metadata": {"_kfp_workspace": true}})")),
              ElementsAre("/kfp-workspace/.artifacts/s3/b/y"));
  EXPECT_THAT(paths(executor_input("")), IsEmpty());
  EXPECT_THAT(paths(R"(models={"inputs": {}})"), IsEmpty());
}

TEST(ParseGathered, RefusesWhatNamesNothing) {
  for (const char* text : {"models", "models=", "=[]", "models=a", "models=7", "models=[1]",
                           "models=[{}]", "models=[null]", "models=[[]]", "models=[\"a\""})
    EXPECT_THROW(parse_gathered(text, "/in"), Error) << text;
  EXPECT_THROW(parse_gathered(executor_input(R"({"uri": "ftp://b/x"})"), "/in"), Error);
  EXPECT_THROW(parse_gathered(executor_input("{}"), "/in"), Error);
}

}  // namespace
}  // namespace jetcal::pipeline
