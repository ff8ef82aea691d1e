// SPDX-License-Identifier: Apache-2.0
#include "jetcal/suggest/cluster_client.h"

#include <curl/curl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <katib.pb.h>

#include <cmath>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>

#include "jetcal/base/encoding.h"
#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/number.h"

namespace jetcal::suggest {

namespace katib = api::v1::beta1;

namespace {

constexpr long kSeconds = 30;           // for one call
constexpr std::size_t kGrpcPrefix = 5;  // one byte of flags, four of length

struct Answer {
  long status = 0;
  std::string body;
  std::string grpc_status, grpc_message;  // from headers or trailers
};

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* answer) {
  static_cast<Answer*>(answer)->body.append(bytes, size * count);
  return size * count;
}

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* data) {
  auto& answer = *static_cast<Answer*>(data);
  std::string line(bytes, size * count);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.pop_back();
  const auto value_of = [&line](const std::string& name) {
    return line.starts_with(name + ": ") ? line.substr(name.size() + 2) : std::string();
  };
  if (const std::string value = value_of("grpc-status"); !value.empty()) answer.grpc_status = value;
  if (const std::string value = value_of("grpc-message"); !value.empty())
    answer.grpc_message = value;
  return size * count;
}

struct Request {
  std::string method = "GET", url;
  std::vector<std::string> headers;
  std::string body;
  std::string authority;
  bool grpc = false;
};

Answer call(const Request& request) {
  // once a process, before any thread of ours calls: curl asks for it
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 curl_easy_cleanup);
  if (started != CURLE_OK || !curl) fail(ErrorCode::Internal, "libcurl does not start");
  curl_slist* list = nullptr;
  for (const std::string& header : request.headers) list = curl_slist_append(list, header.c_str());
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list,
                                                                            curl_slist_free_all);
  Answer answer;
  CURL* const handle = curl.get();
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, kSeconds);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &answer);
  if (request.grpc)
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
  if (!request.authority.empty())
    curl_easy_setopt(handle, CURLOPT_CAINFO, request.authority.c_str());
  if (!request.body.empty()) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  const CURLcode code = curl_easy_perform(handle);
  if (code != CURLE_OK)
    fail(ErrorCode::Unavailable, request.url, " does not answer: ", curl_easy_strerror(code));
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer.status);
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
  const Request request{.method = "POST",
                        .url = "http://" + address + "/api.v1.beta1.DBManager/GetObservationLog",
                        .headers = {"Content-Type: application/grpc", "TE: trailers"},
                        .body = framed(message.SerializeAsString()),
                        .authority = {},
                        .grpc = true};
  const Answer answer = call(request);
  katib::GetObservationLogReply reply;
  const bool good = answer.status == 200 && answer.grpc_status == "0" &&
                    answer.body.size() >= kGrpcPrefix &&
                    reply.ParseFromArray(answer.body.data() + kGrpcPrefix,
                                         static_cast<int>(answer.body.size() - kGrpcPrefix));
  if (!good) {
    fail(ErrorCode::Unavailable, "the database manager at ", address, " answers HTTP ",
         answer.status, ", gRPC status ", answer.grpc_status, ": ", answer.grpc_message);
  }
  std::vector<double> values;
  for (const katib::MetricLog& log : reply.observation_log().metric_logs()) {
    const std::optional<double> value = parse_number<double>(log.metric().value());
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
  Request request;
  request.url = url;
  request.headers = {"Authorization: Bearer " + account.token, "Accept: application/json"};
  request.authority = account.authority.string();
  const Answer found = call(request);
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
  request.body = patch.dump();
  const Answer answer = call(request);
  if (answer.status / 100 != 2) {
    fail(ErrorCode::Unavailable, "the API server answers HTTP ", answer.status, " to PATCH ",
         request.url, ": ", answer.body.substr(0, 200));
  }
}

}  // namespace jetcal::suggest
