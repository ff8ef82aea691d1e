// SPDX-License-Identifier: Apache-2.0
// jetcal suggest: search algorithms as Katib's gRPC services.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "jetcal/base/stop.h"
#include "jetcal/cli/verb.h"
#include "jetcal/server/grpc_service.h"
#include "jetcal/server/http_server.h"
#include "jetcal/suggest/cluster_client.h"
#include "jetcal/suggest/early_stopping_service.h"
#include "jetcal/suggest/observation_service.h"
#include "jetcal/suggest/suggestion_service.h"

namespace jetcal::cli {
namespace {

constexpr int kSuggestionPort = 6789;  // where Katib's controller calls
constexpr std::chrono::milliseconds kSignalPoll{20};

struct SuggestFlags {
  std::string host = "127.0.0.1", database;
  std::vector<int> ports{kSuggestionPort};
};

void read_fields(const CLI::App& app, const CommonOptions& common, SuggestFlags& flags) {
  const Config config = load_config(common);
  fill_from_config(app, config, "host", flags.host);
  fill_from_config(app, config, "port", flags.ports);
  fill_from_config(app, config, "db", flags.database);
  config.reject_unknown();
  if (flags.ports.empty()) fail(ErrorCode::InvalidArgument, "give a --port to listen on");
}

void log_suggestions(const suggest::SuggestionLog& log) {
  std::string notes;
  if (log.skipped > 0) notes += fmt::format(" ({} of another space, left out)", log.skipped);
  if (log.left_out > 0) notes += fmt::format(" ({} too many for a Gaussian process)", log.left_out);
  fmt::print(stderr,
             "jetcal suggest: experiment {}, {}: {} trials known{}, {} suggested in {:.3f} s\n",
             log.experiment, log.algorithm, log.trials, notes, log.suggested, log.seconds);
}

// grpc.health.v1.Health/Check, which Kubernetes' probes call: {status: SERVING}.
std::string is_serving(const server::GrpcContext& /*context*/, std::string_view /*request*/) {
  return std::string("\x08\x01", 2);
}

void add_suggestion(server::GrpcServices& services, const suggest::SuggestionService& service) {
  const std::string name = "/api.v1.beta1.Suggestion/";
  services.add_blocking(name + "GetSuggestions", [&service](const auto&, std::string_view bytes) {
    return service.get_suggestions(bytes);
  });
  services.add_blocking(name + "ValidateAlgorithmSettings",
                        [&service](const auto&, std::string_view bytes) {
                          return service.validate_algorithm_settings(bytes);
                        });
}

void add_early_stopping(server::GrpcServices& services,
                        const suggest::EarlyStoppingService& service) {
  const std::string name = "/api.v1.beta1.EarlyStopping/";
  services.add_blocking(name + "GetEarlyStoppingRules",
                        [&service](const auto&, std::string_view bytes) {
                          return service.get_early_stopping_rules(bytes);
                        });
  services.add_blocking(name + "SetTrialStatus", [&service](const auto&, std::string_view bytes) {
    return service.set_trial_status(bytes);
  });
  services.add_blocking(name + "ValidateEarlyStoppingSettings",
                        [&service](const auto&, std::string_view bytes) {
                          return service.validate_early_stopping_settings(bytes);
                        });
}

void add_observations(server::GrpcServices& services, suggest::ObservationService& service) {
  const std::string name = "/api.v1.beta1.DBManager/";
  services.add_blocking(name + "ReportObservationLog",
                        [&service](const auto&, std::string_view bytes) {
                          return service.report_observation_log(bytes);
                        });
  services.add_blocking(name + "GetObservationLog",
                        [&service](const auto&, std::string_view bytes) {
                          return service.get_observation_log(bytes);
                        });
  services.add_blocking(name + "DeleteObservationLog",
                        [&service](const auto&, std::string_view bytes) {
                          return service.delete_observation_log(bytes);
                        });
}

int serve(const SuggestFlags& flags, bool json) {
  const suggest::SuggestionService suggestions(log_suggestions);
  std::unique_ptr<suggest::ObservationService> observations;
  if (!flags.database.empty())
    observations = std::make_unique<suggest::ObservationService>(flags.database);
  // With a file of its own the service asks itself, whatever address Katib names.
  const auto values = [&observations](const std::string& address, const std::string& trial,
                                      const std::string& metric) {
    return observations ? observations->metric_values(trial, metric)
                        : suggest::fetch_metric_values(address, trial, metric);
  };
  const suggest::EarlyStoppingService early_stopping(
      {values, [](const std::string& trial) {
         suggest::mark_trial_stopped(suggest::ClusterAccount::of_pod(), trial);
       }});
  server::GrpcServices services;
  add_suggestion(services, suggestions);
  add_early_stopping(services, early_stopping);
  if (observations) add_observations(services, *observations);
  services.add_blocking("/grpc.health.v1.Health/Check", is_serving);

  server::NoHttp no_http;
  std::vector<std::unique_ptr<server::HttpServer>> servers;
  nlohmann::ordered_json ports = nlohmann::ordered_json::array();
  std::string list;
  for (const int port : flags.ports) {
    server::HttpOptions options;
    options.host = flags.host;
    options.port = port;
    servers.push_back(std::make_unique<server::HttpServer>(options, no_http, &services));
    ports.push_back(servers.back()->port());
    list += fmt::format("{}{}", list.empty() ? "" : ", ", servers.back()->port());
  }
  for (auto& each : servers) each->start();
  if (json) print_json({{"host", flags.host}, {"ports", ports}, {"db", flags.database}});
  std::fprintf(stderr, "jetcal suggest: ready on %s, port %s, services %s\n", flags.host.c_str(),
               list.c_str(),
               observations ? "Suggestion, EarlyStopping, DBManager" : "Suggestion, EarlyStopping");
  while (!stop_requested()) std::this_thread::sleep_for(kSignalPoll);
  for (auto& each : servers) each->stop();
  return 0;
}

}  // namespace

Verb make_suggest_verb() {
  return {"suggest", "Serves search algorithms to Katib: suggestion, early stopping, metrics.",
          [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
            auto flags = std::make_shared<SuggestFlags>();  // shared: outlives this set-up
            app.add_option("--host", flags->host, "address to listen on, 0.0.0.0 in a pod")
                ->capture_default_str();
            app.add_option(
                "--port", flags->ports,
                "port, repeatable: Katib calls 6789, and 6788 for early stopping [6789]");
            app.add_option("--db", flags->database,
                           "SQLite file of trials' metrics: be the database manager too");
            return [&app, &common, flags] {
              read_fields(app, common, *flags);
              return serve(*flags, common.json);
            };
          }};
}

}  // namespace jetcal::cli
