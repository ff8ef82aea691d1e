// SPDX-License-Identifier: Apache-2.0
#include "jetcal/suggest/cluster_client.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <katib.pb.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

#include "jetcal/base/encoding.h"
#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/number.h"
#include "jetcal/http/http_client.h"

namespace jetcal::suggest {

namespace katib = api::v1::beta1;

namespace {

constexpr std::chrono::seconds kLimit{30};  // for one call
constexpr std::size_t kGrpcPrefix = 5;      // one byte of flags, four of length

http::Answer call(const http::Request& request, const http::Trust& trust = {}) {
  http::Answer answer = http::Client({}, trust).send(request);
  if (answer.failure != http::Failure::None)
    fail(ErrorCode::Unavailable, request.url, " does not answer: ", answer.reason);
  return answer;
}

std::string framed(const std::string& message) {
  const auto size = static_cast<std::uint32_t>(message.size());
  std::string bytes(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes += static_cast<char>(size >> static_cast<unsigned>(shift) & 0xFFU);
  return bytes + message;
}

}  // namespace

std::vector<double> fetch_metric_values(const std::string& address, const std::string& trial,
                                        const std::string& metric) {
  if (address.find(':') == std::string::npos || address.find('/') != std::string::npos) {
    fail(ErrorCode::InvalidArgument, "the database manager's address must be host:port, got '",
         address, "'");
  }
  katib::GetObservationLogRequest message;
  message.set_trial_name(trial);
  message.set_metric_name(metric);
  const std::string body = framed(message.SerializeAsString());
  http::Request request;
  request.method = "POST";
  request.url = "http://" + address + "/api.v1.beta1.DBManager/GetObservationLog";
  request.headers = {"Content-Type: application/grpc", "TE: trailers"};
  request.body = body;
  request.limit = kLimit;
  request.http2 = request.direct = true;
  const http::Answer answer = call(request);
  const std::string status = answer.header("grpc-status");
  katib::GetObservationLogReply reply;
  const bool good = answer.status == 200 && status == "0" && answer.body.size() >= kGrpcPrefix &&
                    reply.ParseFromArray(answer.body.data() + kGrpcPrefix,
                                         static_cast<int>(answer.body.size() - kGrpcPrefix));
  if (!good) {
    fail(ErrorCode::Unavailable, "the database manager at ", address, " answers HTTP ",
         answer.status, ", gRPC status ", status, ": ", answer.header("grpc-message"));
  }
  std::vector<double> values;
  for (const katib::MetricLog& log : reply.observation_log().metric_logs()) {
    const std::optional<double> value = parse_signed_number<double>(log.metric().value());
    if (value && std::isfinite(*value)) values.push_back(*value);
  }
  return values;
}

ClusterAccount ClusterAccount::of_pod(const std::filesystem::path& folder) {
  const char* const host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* const port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr || !std::filesystem::exists(folder / "token")) {
    fail(ErrorCode::FailedPrecondition,
         "this is no pod with a service account, so a trial's status cannot be set");
  }
  ClusterAccount account;
  const std::string name = host;  // an IPv6 address needs brackets
  account.url = fmt::format("https://{}:{}",
                            name.find(':') == std::string::npos ? name : "[" + name + "]", port);
  account.token = read_file(folder / "token");
  account.name_space = read_file(folder / "namespace");
  for (std::string* text : {&account.token, &account.name_space})
    while (!text->empty() && text->back() == '\n') text->pop_back();
  account.authority = folder / "ca.crt";
  return account;
}

void mark_trial_stopped(const ClusterAccount& account, const std::string& trial) {
  const std::string url =
      fmt::format("{}/apis/kubeflow.org/v1beta1/namespaces/{}/trials/{}", account.url,
                  percent_encoded(account.name_space), percent_encoded(trial));
  const http::Trust trust{account.authority.string()};
  http::Request request;
  request.url = url;
  request.headers = {"Authorization: Bearer " + account.token, "Accept: application/json"};
  request.limit = kLimit;
  request.direct = true;
  const http::Answer found = call(request, trust);
  if (found.status == 404)
    fail(ErrorCode::NotFound, "there is no trial '", trial, "' in ", account.name_space);
  const auto object = nlohmann::json::parse(found.body, nullptr, /*allow_exceptions=*/false);
  if (found.status != 200 || !object.is_object())
    fail(ErrorCode::Unavailable, "the API server answers HTTP ", found.status, " to GET ", url);
  auto conditions = nlohmann::json::array();
  if (object.contains("status") && object["status"].contains("conditions"))
    conditions = object["status"]["conditions"];
  for (const auto& condition : conditions)
    if (condition.value("type", "") == "EarlyStopped") return;  // a repeated call
  const std::string now = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  conditions.push_back({{"type", "EarlyStopped"},
                        {"status", "True"},
                        {"reason", "TrialEarlyStopped"},
                        {"message", "Trial is early stopped"},
                        {"lastUpdateTime", now},
                        {"lastTransitionTime", now}});
  // The version makes the API server refuse to overwrite what changed meanwhile.
  nlohmann::json patch{{"status", {{"conditions", std::move(conditions)}}}};
  if (object.contains("metadata") && object["metadata"].contains("resourceVersion"))
    patch["metadata"] = {{"resourceVersion", object["metadata"]["resourceVersion"]}};
  request.method = "PATCH";
  request.url = url + "/status";
  request.headers.emplace_back("Content-Type: application/merge-patch+json");
  const std::string body = patch.dump();
  request.body = body;
  const http::Answer answer = call(request, trust);
  if (answer.status / 100 != 2) {
    fail(ErrorCode::Unavailable, "the API server answers HTTP ", answer.status, " to PATCH ",
         request.url, ": ", answer.body.substr(0, 200));
  }
}

}  // namespace jetcal::suggest
