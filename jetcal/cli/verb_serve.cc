// SPDX-License-Identifier: Apache-2.0
// jetcal serve: the Open Inference Protocol v2 in front of a model repository.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "jetcal/base/stop.h"
#include "jetcal/cli/serve_limits.h"
#include "jetcal/cli/serve_security.h"
#include "jetcal/cli/verb.h"
#include "jetcal/engine/engine.h"
#include "jetcal/server/grpc_service.h"
#include "jetcal/server/http_server.h"
#include "jetcal/server/inference_service.h"
#include "jetcal/server/oip_service.h"

namespace jetcal::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDefaultHttpPort = 8000;  // as Triton
constexpr int kMaxPort = 65535;
constexpr std::chrono::milliseconds kSignalPoll{20};

/// The flags as given; a flag that was not given leaves the configuration's value alone.
struct ServeFlags {
  std::string model_repository, repository_cache, host, model_control_mode;
  std::vector<std::string> load_model;
  bool shared_memory = true;
  double repository_poll_secs = 0;
  int http_port = 0, grpc_port = 0, metrics_port = 0, io_threads = 0, busy_poll_us = 0;
  std::size_t max_json_bytes = 0, max_body_bytes = 0;
  std::int64_t max_queue_size = 0;
  LimitFlags limits;
  SecurityFlags security;
};

struct ServeOptions {
  engine::EngineOptions engine;
  server::HttpOptions http;
  server::OipOptions oip;
  SecurityFlags security;
  int grpc_port = -1, metrics_port = -1;
};

void add_flags(CLI::App& app, ServeFlags& flags) {
  app.add_option("--model-repository", flags.model_repository,
                 "folder of models, Triton layout, or s3://bucket/prefix");
  app.add_option("--repository-cache", flags.repository_cache,
                 "s3: folder to keep the models in (one that goes with the server)");
  app.add_option("--host", flags.host, "address to listen on (127.0.0.1); 0.0.0.0 for every one");
  app.add_option("--http-port", flags.http_port, "port (8000); 0 picks a free one");
  app.add_option("--grpc-port", flags.grpc_port,
                 "another port of gRPC (the HTTP port serves it too)");
  app.add_option("--metrics-port", flags.metrics_port, "port of /metrics alone (the HTTP port)");
  app.add_option(
      "--model-control-mode", flags.model_control_mode,
      "none: every model is loaded once; poll: as the repository changes; explicit: on request");
  app.add_option("--load-model", flags.load_model, "explicit: load this at the start; '*' for all");
  app.add_option("--repository-poll-secs", flags.repository_poll_secs,
                 "poll: seconds between looks (15)");
  app.add_option("--shared-memory", flags.shared_memory, "let clients use shared memory (true)");
  app.add_option("--io-threads", flags.io_threads, "threads that read and write sockets (1)");
  app.add_option("--busy-poll-us", flags.busy_poll_us,
                 "microseconds that an I/O thread stays awake for the next request (0)");
  app.add_option("--max-json-bytes", flags.max_json_bytes, "JSON of one request (64 MiB)");
  app.add_option("--max-body-bytes", flags.max_body_bytes, "body of one request (2 GiB)");
  app.add_option("--max-queue-size", flags.max_queue_size, "requests waiting a model, 0: no limit");
  add_limit_flags(app, flags.limits);
  add_security_flags(app, flags.security);
}

engine::ControlMode control_mode(const std::string& name) {
  if (name == "none") return engine::ControlMode::None;
  if (name == "poll") return engine::ControlMode::Poll;
  if (name == "explicit") return engine::ControlMode::Explicit;
  fail(ErrorCode::InvalidArgument, "model-control-mode is none, poll or explicit, not '", name,
       "'");
}

ServeOptions make_options(const CLI::App& app, const ServeFlags& flags,
                          const CommonOptions& common) {
  const Config config = load_config(common);
  const auto set = [&](const char* name, auto& option, const auto& flag) {
    std::string field(name);
    for (char& letter : field) letter = letter == '-' ? '_' : letter;
    option = config.get(field, option);
    if (app.count(fmt::format("--{}", name)) > 0) option = flag;
  };
  ServeOptions options;
  std::string repository;
  std::string mode = "none";
  double poll_seconds = 15;
  options.http.port = kDefaultHttpPort;
  set("model-repository", repository, flags.model_repository);
  std::string cache;
  set("repository-cache", cache, flags.repository_cache);
  options.engine.repository_cache = cache;
  set("host", options.http.host, flags.host);
  set("http-port", options.http.port, flags.http_port);
  options.grpc_port = options.metrics_port = options.http.port;
  set("grpc-port", options.grpc_port, flags.grpc_port);
  set("metrics-port", options.metrics_port, flags.metrics_port);
  set("model-control-mode", mode, flags.model_control_mode);
  set("io-threads", options.http.io_threads, flags.io_threads);
  int busy_poll_us = 0;
  set("busy-poll-us", busy_poll_us, flags.busy_poll_us);
  options.http.busy_poll = std::chrono::microseconds(busy_poll_us);
  set("max-json-bytes", options.oip.max_json_bytes, flags.max_json_bytes);
  set("max-body-bytes", options.oip.max_body_bytes, flags.max_body_bytes);
  set("max-queue-size", options.engine.max_queue_size, flags.max_queue_size);
  set_limits(app, config, flags.limits, options.http);
  set("load-model", options.engine.load_models, flags.load_model);
  set("repository-poll-secs", poll_seconds, flags.repository_poll_secs);
  set("shared-memory", options.oip.shared_memory, flags.shared_memory);
  options.security = flags.security;
  complete_security(app, config, options.security);
  config.reject_unknown();
  if (repository.empty())
    fail(ErrorCode::InvalidArgument,
         "the model repository is missing: give --model-repository DIR");
  options.engine.control = control_mode(mode);
  if (!options.engine.load_models.empty() &&
      options.engine.control != engine::ControlMode::Explicit)
    fail(ErrorCode::InvalidArgument, "load-model needs the model-control-mode explicit");
  if (!(poll_seconds > 0 && poll_seconds <= 86400))
    fail(ErrorCode::InvalidArgument, "repository-poll-secs must be above 0 and at most 86400, not ",
         poll_seconds);
  options.engine.poll_interval =
      std::chrono::milliseconds(static_cast<std::int64_t>(poll_seconds * 1000));
  options.engine.repository = repository;
  options.engine.onnx_threads = common.threads;
  server::validate(options.http);
  for (const auto& [name, port] : {std::pair{"grpc-port", options.grpc_port},
                                   std::pair{"metrics-port", options.metrics_port}}) {
    if (port < 0 || port > kMaxPort)
      fail(ErrorCode::InvalidArgument, name, " is out of range: ", port);
  }
  return options;
}

// Says what is served, for people on standard error and for machines on standard output.
void announce(const ServeOptions& options, const std::vector<engine::ModelState>& models, int port,
              int grpc_port, int metrics_port, bool json) {
  std::string list;
  Json entries = Json::array();
  for (const engine::ModelState& model : models) {
    if (!model.ready)
      std::fprintf(stderr, "jetcal serve: model '%s' is not ready: %s\n", model.name.c_str(),
                   model.reason.c_str());
    entries.push_back({{"name", model.name},
                       {"version", model.version},
                       {"ready", model.ready},
                       {"engine", model.engine},
                       {"reason", model.reason}});
    if (!model.ready) continue;
    list += fmt::format("{}{}/{} ({})", list.empty() ? "" : ", ", model.name, model.version,
                        model.engine);
  }
  if (json)
    print_json({{"host", options.http.host},
                {"http_port", port},
                {"grpc_port", grpc_port},
                {"metrics_port", metrics_port},
                {"tls", !options.security.tls_certificate.empty()},
                {"models", entries}});
  std::fprintf(
      stderr,
      "jetcal serve: ready on %s://%s:%d, gRPC on port %d, metrics on port %d, models: %s\n",
      options.security.tls_certificate.empty() ? "http" : "https", options.http.host.c_str(), port,
      grpc_port, metrics_port, list.empty() ? "none" : list.c_str());
}

/// The ports of the protocol, whose requests are counted together; those that are not there are
/// null. They stop before the first of them goes: any may be asked what all have counted.
class Ports {
 public:
  explicit Ports(const std::array<server::HttpServer*, 2>& servers) : servers_(servers) {}
  ~Ports() {
    for (server::HttpServer* const one : servers_) {
      if (one != nullptr) one->stop();
    }
  }
  Ports(const Ports&) = delete;
  Ports& operator=(const Ports&) = delete;

  server::HttpCounters counters() const {
    server::HttpCounters sum;
    for (const server::HttpServer* const one : servers_) {
      if (one != nullptr) sum += one->counters();
    }
    return sum;
  }

 private:
  const std::array<server::HttpServer*, 2> servers_;
};

// Another port with the same options, not started; nothing when it is the port of HTTP.
std::unique_ptr<server::HttpServer> open_port(const ServeOptions& options, int port, int io_threads,
                                              server::HttpHandler& handler,
                                              const server::GrpcServices* grpc,
                                              const server::HttpSecurity& security) {
  if (port == options.http.port) return nullptr;
  server::HttpOptions own = options.http;
  own.port = port;
  own.io_threads = io_threads;
  return std::make_unique<server::HttpServer>(own, handler, grpc, security);
}

int serve(const ServeOptions& options, bool json) {
  ServeSecurity security(options.security);
  engine::Engine engine(options.engine);
  server::EngineBackend backend(engine);
  server::OipService service(backend, options.oip);
  server::MetricsService metrics_service(service);
  server::GrpcServices services;
  server::add_inference_service(services, service.state());
  server::HttpServer http(options.http, service, &services, security.http());
  const auto grpc = open_port(options, options.grpc_port, options.http.io_threads, service,
                              &services, security.http());
  const Ports ports({&http, grpc.get()});
  service.count_http([&ports] { return ports.counters(); });
  const auto metrics = open_port(options, options.metrics_port, 1, metrics_service, nullptr, {});
  for (server::HttpServer* const one : {&http, grpc.get(), metrics.get()}) {
    if (one != nullptr) one->start();
  }
  announce(options, engine.models(), http.port(), grpc ? grpc->port() : http.port(),
           metrics ? metrics->port() : http.port(), json);

  while (!stop_requested()) {
    security.keep_fresh();
    std::this_thread::sleep_for(kSignalPoll);
  }
  service.begin_drain();
  std::size_t given_up = 0;
  std::thread other_port([&] { given_up += grpc ? grpc->stop() : 0; });
  const std::size_t given_up_here = http.stop();
  other_port.join();
  given_up += given_up_here;
  if (metrics) metrics->stop();
  std::fprintf(stderr, "jetcal serve: stopped, %zu requests given up\n", given_up);
  // A network that runs cannot be interrupted; past the drain time nobody waits for it.
  if (given_up > 0) std::_Exit(0);
  engine.drain();
  return 0;
}

}  // namespace

Verb make_serve_verb() {
  return {"serve", "answer the Open Inference Protocol v2 over HTTP and gRPC",
          [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
            // shared: std::function copies what it holds
            auto flags = std::make_shared<ServeFlags>();
            add_flags(app, *flags);
            return [&app, &common, flags] {
              return serve(make_options(app, *flags, common), common.json);
            };
          }};
}

}  // namespace jetcal::cli
