// SPDX-License-Identifier: Apache-2.0
#include "jetcal/suggest/cluster_client.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "tests/http/scripted_server.h"

namespace jetcal::suggest {
namespace {

using http::answer;
using http::ScriptedServer;
using testing::HasSubstr;

TEST(MarkTrialStopped, AddsTheConditionToThoseThereAre) {
  ScriptedServer server(
      {answer(
           200,
           R"({"metadata":{"resourceVersion":"7"},"status":{"conditions":[{"type":"Running"}]}})"),
       answer(200, "{}")});
  mark_trial_stopped({server.url(), "jets", "secret", {}}, "jec-1");
  const std::vector<std::string> requests = server.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_THAT(requests[0],
              HasSubstr("GET /apis/kubeflow.org/v1beta1/namespaces/jets/trials/jec-1 HTTP"));
  const std::string& patch = requests[1];
  EXPECT_THAT(patch,
              HasSubstr("PATCH /apis/kubeflow.org/v1beta1/namespaces/jets/trials/jec-1/status"));
  EXPECT_THAT(patch, HasSubstr("Authorization: Bearer secret"));
  EXPECT_THAT(patch, HasSubstr("Content-Type: application/merge-patch+json"));
  const auto body = nlohmann::json::parse(patch.substr(patch.find("\r\n\r\n") + 4));
  EXPECT_EQ(body["metadata"]["resourceVersion"], "7");
  ASSERT_EQ(body["status"]["conditions"].size(), 2U);
  EXPECT_EQ(body["status"]["conditions"][1]["type"], "EarlyStopped");
  EXPECT_EQ(body["status"]["conditions"][1]["status"], "True");
}

TEST(MarkTrialStopped, ARepeatedCallChangesNothing) {
  ScriptedServer server({answer(200, R"({"status":{"conditions":[{"type":"EarlyStopped"}]}})")});
  mark_trial_stopped({server.url(), "jets", "secret", {}}, "jec-1");
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(MarkTrialStopped, SaysWhatTheServerSaid) {
  ScriptedServer server({answer(404, "{}"), answer(403, "{}")});
  const ClusterAccount account{server.url(), "jets", "secret", {}};
  try {
    mark_trial_stopped(account, "jec-1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::NotFound);
    EXPECT_THAT(error.what(), HasSubstr("'jec-1'"));
  }
  try {
    mark_trial_stopped(account, "jec-1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Unavailable);
    EXPECT_THAT(error.what(), HasSubstr("HTTP 403"));
  }
}

TEST(ClusterAccount, NeedsAPod) { EXPECT_THROW(ClusterAccount::of_pod("/nowhere"), Error); }

}  // namespace
}  // namespace jetcal::suggest
