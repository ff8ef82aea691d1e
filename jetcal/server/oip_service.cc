// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/oip_service.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

#include "jetcal/server/control_json.h"
#include "jetcal/server/detail/infer_call.h"
#include "jetcal/server/detail/task_thread.h"
#include "jetcal/server/metrics_text.h"
#include "jetcal/server/protocol_json.h"
#include "jetcal/server/status_map.h"

namespace jetcal::server {
namespace {

using nlohmann::ordered_json;
using Path = std::vector<std::string>;

constexpr std::size_t kLargeBodyDigits = 5;  // of Content-Length: from 10 kB on
constexpr int kNotFound = 404;
constexpr int kMethodNotAllowed = 405;
constexpr int kUnavailable = 503;

Path split_path(std::string_view path) {
  Path parts;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view part = path.substr(0, path.find('/'));
    parts.push_back(percent_decode(part));
    path.remove_prefix(part.size());
  }
  return parts;
}

HttpReply json_reply(const ordered_json& document, int status = 200) {
  HttpReply reply;
  reply.status = status;
  // A model's folder may have a name that is not UTF-8.
  reply.body = document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  return reply;
}

HttpReply failure(const Error& error) {
  return error_reply(http_status(error.code()), error.what());
}

// Runs what may throw: what it throws becomes the reply.
template <typename Answer>
HttpReply answer_or_error(Answer answer) {
  try {
    return answer();
  } catch (const Error& error) {
    return failure(error);
  } catch (const std::exception& error) {  // of the file system, or no memory
    return error_reply(http_status(ErrorCode::Internal),
                       std::string("internal error: ") + error.what());
  }
}

bool is_version(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A path below /v2/models/M[/versions/N]: what is asked of which model.
struct ModelPath {
  std::string model, version, verb;
};

std::optional<ModelPath> model_path(const Path& path) {
  if (path.size() < 3 || path[0] != "v2" || path[1] != "models" || path[2].empty())
    return std::nullopt;
  ModelPath found{path[2], "", ""};
  std::size_t at = 3;
  if (path.size() > 4 && path[3] == "versions" && is_version(path[4])) {
    found.version = path[4];
    at = 5;
  }
  if (at + 1 < path.size()) return std::nullopt;
  if (at < path.size()) {
    found.verb = path[at];
    if (found.verb.empty()) return std::nullopt;
  }
  return found;
}

bool is_model_get(std::string_view verb) {
  static constexpr std::array<std::string_view, 4> kVerbs{"", "ready", "config", "stats"};
  return std::find(kVerbs.begin(), kVerbs.end(), verb) != kVerbs.end();
}

bool is_load(const Path& path) {
  return path.size() == 5 && path[0] == "v2" && path[1] == "repository" && path[2] == "models" &&
         (path[4] == "load" || path[4] == "unload");
}

// /v2/trace/setting or /v2/models/M/trace/setting.
bool is_trace(const Path& path) {
  const std::size_t n = path.size();
  if (n < 3 || path[0] != "v2" || path[n - 2] != "trace" || path[n - 1] != "setting") return false;
  return n == 3 || (n == 5 && path[1] == "models" && !path[2].empty());
}

// What is asked of shared memory: /v2/systemsharedmemory[/region/R]/VERB.
struct MemoryPath {
  bool cuda = false;
  std::string region, verb;
};

std::optional<MemoryPath> memory_path(const Path& path) {
  const std::size_t n = path.size();
  if ((n != 3 && n != 5) || path[0] != "v2") return std::nullopt;
  MemoryPath found;
  found.cuda = path[1] == "cudasharedmemory";
  if (!found.cuda && path[1] != "systemsharedmemory") return std::nullopt;
  if (n == 5 && (path[2] != "region" || path[3].empty())) return std::nullopt;
  if (n == 5) found.region = path[3];
  found.verb = path[n - 1];
  const bool one = n == 5 && found.verb == "register";
  if (found.verb != "status" && found.verb != "unregister" && !one) return std::nullopt;
  return found;
}

const Path kServerPath{"v2"};
constexpr std::string_view kLiveTarget = "/v2/health/live";
constexpr std::string_view kReadyTarget = "/v2/health/ready";
const Path kLivePath{"v2", "health", "live"};
const Path kReadyPath{"v2", "health", "ready"};
const Path kModelsPath{"v2", "models"};
const Path kAllStatisticsPath{"v2", "models", "stats"};
const Path kIndexPath{"v2", "repository", "index"};
const Path kMetricsPath{"metrics"};
const Path kLoggingPath{"v2", "logging"};

}  // namespace

std::vector<std::string> health_paths() {
  return {std::string(kLiveTarget), std::string(kReadyTarget),
          "/inference.GRPCInferenceService/ServerLive",
          "/inference.GRPCInferenceService/ServerReady", "/grpc.health.v1.Health/Check"};
}

OipService::OipService(ModelBackend& backend, const OipOptions& options)
    : state_(std::make_shared<ServiceState>(backend, options)) {}

OipService::~OipService() {
  state_->parsing->stop();
  state_->control->stop();
}

BodyPlan OipService::plan_body(const HttpHead& head) {
  std::optional<HttpReply> reply = reply_without_body(head);
  // Only infer requests have tensors behind their JSON.
  if (head.find(kInferHeaderLength) == nullptr || !head.path().ends_with("/infer")) {
    // Compressed JSON may be shorter than it says, never longer.
    return {state_->options.max_json_bytes, 0, std::move(reply)};
  }
  try {
    const std::size_t json_length = infer_header_length(head).value_or(0);
    return {state_->options.max_body_bytes, json_length, std::move(reply)};
  } catch (const Error&) {  // handle() says what is wrong with it
    return {state_->options.max_body_bytes, 0, std::move(reply)};
  }
}

// When the queue is full, a large body would be read, copied and parsed for nothing.
std::optional<HttpReply> OipService::reply_without_body(const HttpHead& head) const {
  const std::string* const length = head.find("content-length");
  const bool small = length != nullptr && length->size() < kLargeBodyDigits;
  if (head.method != "POST" || (small && head.find("expect") == nullptr)) return std::nullopt;
  if (!head.target.starts_with('/')) return std::nullopt;
  const std::optional<ModelPath> model = model_path(split_path(head.path()));
  if (!model || model->verb != "infer") return std::nullopt;
  const auto error = state_->backend.refuse_if_full(model->model, model->version);
  return error ? std::optional(failure(*error)) : std::nullopt;
}

bool OipService::knows(const Path& path, std::string_view method) const {
  if (method == "POST") {
    const std::optional<ModelPath> model = model_path(path);
    const std::optional<MemoryPath> memory = memory_path(path);
    return path == kIndexPath || is_load(path) || path == kLoggingPath || is_trace(path) ||
           (memory && memory->verb != "status") || (model && model->verb == "infer");
  }
  if (method != "GET") return false;
  for (const Path& known : {kServerPath, kLivePath, kReadyPath, kModelsPath, kMetricsPath}) {
    if (path == known) return true;
  }
  if (path == kLoggingPath || is_trace(path)) return true;
  if (const auto memory = memory_path(path)) return memory->verb == "status";
  const std::optional<ModelPath> model = model_path(path);
  return model && is_model_get(model->verb);
}

void OipService::handle(HttpRequest request, Responder responder) {
  const std::string_view target = request.head.path();
  const Path path = target.starts_with('/') ? split_path(target) : Path{};
  const std::string_view method = request.head.method;
  if (!knows(path, method)) {
    const bool get = knows(path, "GET");
    if (!get && !knows(path, "POST")) {
      responder.send(error_reply(kNotFound, "unknown path: " + std::string(target)));
      return;
    }
    HttpReply reply =
        error_reply(kMethodNotAllowed, "method " + std::string(method) + " is not allowed here");
    reply.headers.push_back({"Allow", get ? "GET" : "POST"});
    responder.send(std::move(reply));
    return;
  }
  const std::optional<ModelPath> model = model_path(path);
  if (method == "POST" && model && model->verb == "infer") {
    if (state_->draining.load()) {
      responder.send(error_reply(kUnavailable, "the server is shutting down"));
      return;
    }
    std::make_shared<detail::InferCall>(state_, std::move(request), std::move(responder))
        ->start(model->model, model->version);
    return;
  }
  if (method == "POST" && is_load(path)) {
    control(path, std::move(request), std::move(responder));
    return;
  }
  const auto answer = [&] { return method == "GET" ? get(path) : post(path, request); };
  responder.send(answer_or_error(answer));
}

// Loading takes its time: it has a thread of its own.
void OipService::control(const Path& path, HttpRequest request, Responder responder) {
  struct Order {
    HttpRequest request;
    Responder responder;
  };
  // shared: std::function copies what it holds
  const auto order = std::make_shared<Order>(Order{std::move(request), std::move(responder)});
  state_->control->post([state = state_, order, model = path[3], load = path[4] == "load"] {
    order->responder.send(answer_or_error([&] {
      const std::string_view body = order->request.body.view();
      const std::optional<Error> error =
          load ? state->backend.load(model, load_override_of(body)) : state->backend.unload(model);
      if (error) throw Error(*error);
      return HttpReply{};
    }));
  });
}

HttpReply OipService::get(const Path& path) const {
  if (path == kServerPath) return json_reply(server_metadata_json());
  if (path == kLivePath) return health(kLiveTarget);
  if (path == kReadyPath) return health(kReadyTarget);
  if (path == kMetricsPath) return metrics();
  if (path == kLoggingPath) return json_reply(log_json(state_->log.values()));
  if (is_trace(path)) {
    const std::string model = path.size() == 5 ? path[2] : "";
    check_trace_model(state_->backend, model);
    return json_reply(trace_json(state_->trace.values(model)));
  }
  if (const auto memory = memory_path(path)) {
    if (!memory->cuda) return json_reply(memory_json(state_->regions().list(memory->region)));
    if (!memory->region.empty())
      fail(ErrorCode::NotFound, "Unable to find cuda shared memory region: '", memory->region, "'");
    return json_reply(ordered_json::array());
  }
  if (path == kModelsPath) {
    ordered_json names = ordered_json::array();
    for (const engine::ModelState& state : state_->backend.models()) {
      if (names.empty() || names.back() != state.name) names.push_back(state.name);
    }
    return json_reply({{"models", names}});
  }
  if (path == kAllStatisticsPath) {
    const auto all = state_->backend.statistics("", "");
    return all.ok() ? json_reply(statistics_json(all.value())) : failure(all.error());
  }
  return get_model(path);
}

HttpReply OipService::health(std::string_view path) const {
  if (path == kLiveTarget) return json_reply({{"live", true}});
  const bool ready = !state_->draining.load() && state_->backend.ready();
  return json_reply({{"ready", ready}}, ready ? 200 : kUnavailable);
}

HttpReply OipService::get_model(const Path& path) const {
  const ModelPath asked = model_path(path).value();
  if (asked.verb == "ready") return model_ready(asked.model, asked.version);
  if (asked.verb == "config") {
    const auto config = state_->backend.config(asked.model, asked.version);
    return config.ok() ? json_reply(config.value()) : failure(config.error());
  }
  if (asked.verb == "stats") {
    const auto statistics = state_->backend.statistics(asked.model, asked.version);
    return statistics.ok() ? json_reply(statistics_json(statistics.value()))
                           : failure(statistics.error());
  }
  const auto metadata = state_->backend.metadata(asked.model, asked.version);
  return metadata.ok() ? json_reply(metadata_json(metadata.value())) : failure(metadata.error());
}

HttpReply OipService::model_ready(const std::string& model, const std::string& version) const {
  const auto metadata = state_->backend.metadata(model, version);
  if (!metadata.ok() && metadata.error().code() == ErrorCode::NotFound)
    return failure(metadata.error());
  const bool ready = metadata.ok() && !state_->draining.load();
  return json_reply({{"name", model}, {"ready", ready}}, ready ? 200 : kUnavailable);
}

HttpReply OipService::post(const Path& path, const HttpRequest& request) const {
  if (path == kIndexPath) return index(request);
  const std::string_view body = request.body.view();
  if (path == kLoggingPath) {
    state_->log.apply(log_change_of(body));
    return json_reply(log_json(state_->log.values()));
  }
  if (is_trace(path)) {
    const std::string model = path.size() == 5 ? path[2] : "";
    check_trace_model(state_->backend, model);
    state_->trace.apply(model, trace_change_of(body));
    return json_reply(trace_json(state_->trace.values(model)));
  }
  const MemoryPath memory = memory_path(path).value();
  if (memory.verb == "register") {
    if (memory.cuda)
      fail(ErrorCode::InvalidArgument, "failed to register CUDA shared memory region: '",
           memory.region, "': this server infers on the CPU");
    state_->regions().add(memory_region_of(memory.region, body));
  } else if (!memory.cuda && memory.region.empty()) {
    state_->regions().clear();
  } else if (!memory.cuda) {
    state_->regions().remove(memory.region);
  }
  return HttpReply{};
}

HttpReply OipService::index(const HttpRequest& request) const {
  bool only_ready = false;
  if (!request.body.view().empty()) {
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    const std::string_view body = request.body.view();
    const bool parsed =
        parser.parse(reinterpret_cast<const std::uint8_t*>(body.data()), body.size(), false)
            .get(document) == simdjson::SUCCESS;
    if (!parsed || !document.is_object())
      return error_reply(400, "the body of a repository index request must be a JSON object");
    simdjson::dom::element ready;
    if (document["ready"].get(ready) == simdjson::SUCCESS &&
        ready.get(only_ready) != simdjson::SUCCESS)
      return error_reply(400, "the field 'ready' must be a boolean");
  }
  return json_reply(index_json(state_->backend.models(), only_ready));
}

HttpReply OipService::metrics() const {
  const auto all = state_->backend.statistics("", "");
  if (!all.ok()) return failure(all.error());
  HttpReply reply;
  reply.content_type = kMetricsContentType;
  reply.body = metrics_text(all.value(), http_counters_ ? http_counters_() : HttpCounters{});
  return reply;
}

BodyPlan MetricsService::plan_body(const HttpHead&) { return {0, 0}; }

void MetricsService::handle(HttpRequest request, Responder responder) {
  const std::string_view path = request.head.path();
  if (path != "/metrics" && path != kLiveTarget && path != kReadyTarget) {
    responder.send(error_reply(kNotFound, "only /metrics and /v2/health are served on this port"));
    return;
  }
  if (request.head.method != "GET") {
    HttpReply reply = error_reply(kMethodNotAllowed, "only GET is allowed here");
    reply.headers.push_back({"Allow", "GET"});
    responder.send(std::move(reply));
    return;
  }
  responder.send(path == "/metrics" ? service_.metrics() : service_.health(path));
}

}  // namespace jetcal::server
