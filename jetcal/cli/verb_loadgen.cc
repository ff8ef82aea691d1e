// SPDX-License-Identifier: Apache-2.0
// jetcal loadgen: how long clients of a server wait, by batch size.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "jetcal/cli/verb.h"
#include "jetcal/server/load_generator.h"

namespace jetcal::cli {
namespace {

using Json = nlohmann::ordered_json;

struct LoadFlags {
  std::string url = "http://127.0.0.1:8000";
  server::LoadOptions load;
};

void add_flags(CLI::App& app, LoadFlags& flags) {
  app.add_option("--url", flags.url, "http://host:port of the server (http://127.0.0.1:8000)");
  app.add_option("--model-name", flags.load.model, "model to ask");
  app.add_option("--model-version", flags.load.version, "its version (the newest)");
  app.add_option("--batch-sizes", flags.load.batch_sizes, "jets of a request: 1 2 4 ... 1024")
      ->delimiter(',');
  app.add_option("--connections", flags.load.connections, "clients at a time (1)");
  app.add_option("--seconds", flags.load.seconds, "of measuring each batch size (5)");
  app.add_option("--warmup-seconds", flags.load.warmup_seconds, "before it (0.5)");
  app.add_option("--rate", flags.load.rate,
                 "requests a second that arrive by chance, answered or not; 0: each client asks "
                 "again when it has its answer");
  app.add_option("--ragged", flags.load.ragged, "send jets without padding (false)");
  app.add_option("--min-particles", flags.load.min_particles, "of a jet (20)");
  app.add_option("--max-particles", flags.load.max_particles, "of a jet (60)");
  app.add_option("--timeout", flags.load.timeout_seconds, "seconds to wait for an answer (30)");
  app.add_option("--seed", flags.load.seed, "of jets and arrivals (1)");
}

void fill_from_file(const CLI::App& app, const CommonOptions& common, LoadFlags& flags) {
  const Config config = load_config(common);
  fill_from_config(app, config, "url", flags.url);
  fill_from_config(app, config, "model-name", flags.load.model);
  fill_from_config(app, config, "model-version", flags.load.version);
  fill_from_config(app, config, "batch-sizes", flags.load.batch_sizes);
  fill_from_config(app, config, "connections", flags.load.connections);
  fill_from_config(app, config, "seconds", flags.load.seconds);
  fill_from_config(app, config, "warmup-seconds", flags.load.warmup_seconds);
  fill_from_config(app, config, "rate", flags.load.rate);
  fill_from_config(app, config, "ragged", flags.load.ragged);
  fill_from_config(app, config, "min-particles", flags.load.min_particles);
  fill_from_config(app, config, "max-particles", flags.load.max_particles);
  fill_from_config(app, config, "timeout", flags.load.timeout_seconds);
  fill_from_config(app, config, "seed", flags.load.seed);
  config.reject_unknown();
}

// Takes host and port out of http://host:port.
void read_url(const std::string& url, server::LoadOptions& options) {
  constexpr std::string_view kScheme = "http://";
  std::string rest = url.starts_with(kScheme) ? url.substr(kScheme.size()) : url;
  while (rest.ends_with('/')) rest.pop_back();
  const std::size_t colon = rest.rfind(':');
  char* end = nullptr;
  const std::string port = colon == std::string::npos ? "80" : rest.substr(colon + 1);
  const long number = std::strtol(port.c_str(), &end, 10);
  options.host = rest.substr(0, colon);
  if (options.host.empty() || port.empty() || *end != '\0' || number < 1 || number > 65535 ||
      options.host.find('/') != std::string::npos)
    fail(ErrorCode::InvalidArgument, "url must be http://host:port, not '", url, "'");
  options.port = static_cast<int>(number);
}

Json json_of(const server::LoadResult& result) {
  Json failed = Json::object();
  for (const auto& [what, count] : result.failed) failed[what] = count;
  return {{"batch_size", result.batch_size},
          {"requests", result.requests},
          {"failed", failed},
          {"seconds", result.seconds},
          {"requests_per_second", result.requests_per_second},
          {"jets_per_second", result.jets_per_second},
          {"round_trip_us",
           {{"mean", result.mean},
            {"p50", result.p50},
            {"p90", result.p90},
            {"p95", result.p95},
            {"p99", result.p99},
            {"p999", result.p999},
            {"max", result.max}}},
          {"inference_us", result.inference},
          {"queue_us", result.queue},
          {"overhead_us", result.overhead},
          {"jets_per_execution", result.jets_per_execution}};
}

void print_row(const server::LoadResult& result) {
  std::int64_t failed = 0;
  for (const auto& [what, count] : result.failed) failed += count;
  std::printf("%6lld %9lld %7lld %11.0f %9.0f %9.0f %9.0f %9.0f %9.0f %9.0f\n",
              static_cast<long long>(result.batch_size), static_cast<long long>(result.requests),
              static_cast<long long>(failed), result.jets_per_second, result.mean, result.p50,
              result.p90, result.p99, result.inference, result.overhead);
  std::fflush(stdout);
}

int run(const CLI::App& app, const CommonOptions& common, LoadFlags flags) {
  fill_from_file(app, common, flags);
  read_url(flags.url, flags.load);
  server::validate(flags.load);
  if (!common.json)
    std::printf("%6s %9s %7s %11s %9s %9s %9s %9s %9s %9s\n", "batch", "requests", "failed",
                "jets/s", "mean us", "p50", "p90", "p99", "inference", "overhead");
  const auto results = server::generate_load(flags.load, common.json ? nullptr : print_row);
  if (!common.json) return 0;
  Json rows = Json::array();
  for (const server::LoadResult& result : results) rows.push_back(json_of(result));
  print_json({{"url", flags.url},
              {"model", flags.load.model},
              {"connections", flags.load.connections},
              {"loop", flags.load.rate > 0 ? "open" : "closed"},
              {"rate", flags.load.rate},
              {"form", flags.load.ragged ? "ragged" : "padded"},
              {"results", rows}});
  return 0;
}

}  // namespace

Verb make_loadgen_verb() {
  return {"loadgen", "measure how long clients of a server wait",
          [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
            // shared: std::function copies what it holds
            auto flags = std::make_shared<LoadFlags>();
            add_flags(app, *flags);
            return [&app, &common, flags] { return run(app, common, *flags); };
          }};
}

}  // namespace jetcal::cli
