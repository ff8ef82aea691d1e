// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/serving_monitor.h"

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"

namespace jetcal::board {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxPoints = 900;
constexpr std::chrono::milliseconds kTimeout{2000};
constexpr long kGood = 200;

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Json to_json(const std::deque<RatePoint>& points) {
  Json rows = Json::array();
  for (const RatePoint& p : points)
    rows.push_back(
        {p.time, p.requests, p.failures, p.rows, p.batch, p.p50, p.p90, p.p99, p.pending});
  return rows;
}

Json counts_json(const ModelCounts& counts) {
  Json quantiles = Json::array();
  for (const auto& [fraction, time] : counts.quantiles) quantiles.push_back({fraction, time});
  return {{"success", counts.success},       {"failure", counts.failure}, {"rows", counts.rows},
          {"executions", counts.executions}, {"pending", counts.pending}, {"quantiles", quantiles}};
}

http::Answer answer_of(const http::Client& client, const char* method, const std::string& url) {
  http::Request request;
  request.method = method;
  request.url = url;
  request.connect_limit = request.limit = kTimeout;
  request.direct = true;
  http::Answer answer = client.send(request);
  if (answer.failure == http::Failure::NotConnected)
    fail(ErrorCode::Unavailable, "cannot connect to ", url, ": ", answer.reason);
  if (answer.failure != http::Failure::None)
    fail(ErrorCode::Unavailable, url, " gives no answer: ", answer.reason);
  return answer;
}

}  // namespace

std::string parse_endpoint(const std::string& url) {
  constexpr std::string_view kPlain = "http://";
  constexpr int kMaxPort = 65535;
  std::string rest = url;
  if (rest.starts_with("https://"))
    fail(ErrorCode::InvalidArgument, "the board asks servers over plain HTTP, not ", url,
         "; name the port of their metrics as http://HOST:PORT");
  if (rest.starts_with(kPlain)) rest.erase(0, kPlain.size());
  while (rest.ends_with("/")) rest.pop_back();
  const std::size_t colon = rest.rfind(':');
  const std::string host = rest.substr(0, colon);
  int port = 80;
  if (colon != std::string::npos)
    port = parse_number<int>(std::string_view(rest).substr(colon + 1)).value_or(0);
  if (host.empty() || port < 1 || port > kMaxPort ||
      host.find_first_of("/?#@ \r\n") != std::string::npos)
    fail(ErrorCode::InvalidArgument, "'", url, "' is no server; give http://HOST:PORT");
  return std::string(kPlain) + host + ":" + std::to_string(port);
}

ServingMonitor::ServingMonitor(const std::vector<std::string>& urls,
                               std::chrono::milliseconds interval)
    : interval_(interval) {
  for (const std::string& url : urls) {
    watched_.push_back(std::make_unique<Watched>());
    watched_.back()->url = url;
    watched_.back()->since = now();
  }
  for (const auto& watched : watched_)
    threads_.emplace_back([this, &one = *watched] { watch(one); });
}

ServingMonitor::~ServingMonitor() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ServingMonitor::watch(Watched& watched) {
  const http::Client client;
  while (true) {
    try {
      look(watched, client);
    } catch (const Error& error) {
      set_state(watched, "unreachable", error.what());
    } catch (const Json::exception& error) {
      set_state(watched, "unreachable",
                std::string("its answer is not understood: ") + error.what());
    }
    std::unique_lock lock(mutex_);
    if (stopped_.wait_for(lock, interval_, [this] { return stopping_; })) return;
  }
}

void ServingMonitor::look(Watched& watched, const http::Client& client) {
  const auto ask = [&](const char* method, const char* path) {
    return answer_of(client, method, watched.url + path);
  };
  const http::Answer metrics = ask("GET", "/metrics");
  if (metrics.status != kGood)
    fail(ErrorCode::Unavailable, watched.url, "/metrics answered ", metrics.status);
  // A port of metrics alone knows nothing else.
  const http::Answer about = ask("GET", "/v2");
  const Json server =
      about.status == kGood ? Json::parse(about.body, nullptr, false) : Json::object();
  const http::Answer index = ask("POST", "/v2/repository/index");
  const Json models =
      index.status == kGood ? Json::parse(index.body, nullptr, false) : Json::array();
  const long ready = ask("GET", "/v2/health/ready").status;
  {
    const std::lock_guard lock(mutex_);
    watched.version = server.is_object() ? server.value("version", "") : "";
    watched.models = models.is_array() ? models : Json::array();
    take_counts(watched, metrics.body);
  }
  std::string broken;
  for (const Json& model : models.is_array() ? models : Json::array()) {
    if (model.value("state", "READY") == "READY" || model.value("reason", "").empty()) continue;
    broken +=
        (broken.empty() ? "" : "; ") + model.value("name", "") + ": " + model.value("reason", "");
  }
  const bool up = ready == kGood || about.status != kGood;
  set_state(watched, up && broken.empty() ? "ready" : "not ready",
            broken.empty() && !up ? "it answers, but is not ready" : broken);
}

// Requires mutex_.
void ServingMonitor::take_counts(Watched& watched, const std::string& metrics) {
  ServerCounts fresh = server_counts(parse_metrics(metrics));
  const Clock::time_point time = Clock::now();
  const double seconds = std::chrono::duration<double>(time - watched.counted).count();
  const bool first = watched.counted == Clock::time_point();
  for (const auto& [model, counts] : fresh) {
    if (first) continue;
    std::deque<RatePoint>& points = watched.points[model];
    points.push_back(rate_between(watched.counts[model], counts, seconds));
    points.back().time = now();
    if (points.size() > kMaxPoints) points.pop_front();
  }
  watched.counts = std::move(fresh);
  watched.counted = time;
}

void ServingMonitor::set_state(Watched& watched, const std::string& state,
                               const std::string& message) {
  const std::lock_guard lock(mutex_);
  if (watched.state != state) watched.since = now();
  watched.state = state;
  watched.message = message;
}

Json ServingMonitor::document() const {
  const std::lock_guard lock(mutex_);
  Json list = Json::array();
  for (const auto& watched : watched_) {
    Json counts = Json::array();
    for (const auto& [model, one] : watched->counts) {
      Json entry = counts_json(one);
      entry["model"] = model.first;
      entry["version"] = model.second;
      const auto points = watched->points.find(model);
      entry["points"] = points == watched->points.end() ? Json::array() : to_json(points->second);
      counts.push_back(std::move(entry));
    }
    list.push_back({{"url", watched->url},
                    {"state", watched->state},
                    {"since", watched->since},
                    {"message", watched->message},
                    {"version", watched->version},
                    {"models", watched->models},
                    {"counts", counts}});
  }
  return {{"endpoints", list},
          {"interval", std::chrono::duration<double>(interval_).count()},
          {"point_fields",
           {"time", "requests", "failures", "rows", "batch", "p50", "p90", "p99", "pending"}}};
}

Json ServingMonitor::problems() const {
  const std::lock_guard lock(mutex_);
  Json list = Json::array();
  for (const auto& watched : watched_) {
    if (watched->state == "ready" || watched->state == "waiting") continue;
    list.push_back({{"kind", "serving"},
                    {"name", watched->url},
                    {"state", watched->state},
                    {"reason", watched->message},
                    {"time", watched->since}});
  }
  return list;
}

Json ServingMonitor::states() const {
  const std::lock_guard lock(mutex_);
  Json list = Json::array();
  for (const auto& watched : watched_)
    list.push_back({{"url", watched->url}, {"state", watched->state}});
  return list;
}

}  // namespace jetcal::board
