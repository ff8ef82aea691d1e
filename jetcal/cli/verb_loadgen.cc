// SPDX-License-Identifier: Apache-2.0
// jetcal loadgen: how long clients of a server wait, by batch size.
#include <cstdio>
#include <memory>

#include "jetcal/base/files.h"
#include "jetcal/cli/client_flags.h"
#include "jetcal/cli/verb.h"
#include "jetcal/client/load_report.h"

namespace jetcal::cli {
namespace {

using Json = nlohmann::ordered_json;

struct LoadFlags {
  ClientFlags server;
  client::LoadOptions load;
  std::string form = "padded", coding = "binary", plot;
  std::vector<std::string> beside;
};

void add_flags(CLI::App& app, LoadFlags& flags) {
  flags.server.url = "http://127.0.0.1:8000";
  flags.server.retries = 0;
  flags.server.deadline = 30;
  add_client_flags(app, flags.server);
  app.add_option("--model-name", flags.load.model, "model to ask");
  app.add_option("--model-version", flags.load.version, "its version (the newest)");
  app.add_option("--batch-sizes", flags.load.batch_sizes, "jets of a request: 1 2 4 ... 1024")
      ->delimiter(',');
  app.add_option("--seconds", flags.load.seconds, "of measuring each batch size (5)");
  app.add_option("--warmup-seconds", flags.load.warmup_seconds, "before it (0.5)");
  app.add_option("--rate", flags.load.rate,
                 "requests a second that arrive by chance, answered or not; 0: each client asks "
                 "again when it has its answer");
  app.add_option("--form", flags.form, "of jets: padded or ragged (padded)");
  app.add_option("--coding", flags.coding, "of tensors: binary or json (binary)");
  app.add_option("--min-particles", flags.load.min_particles, "of a jet (20)");
  app.add_option("--max-particles", flags.load.max_particles, "of a jet (60)");
  app.add_option("--seed", flags.load.seed, "of jets and arrivals (1)");
  app.add_flag("--check-equal", flags.load.check_equal,
               "count replies that are not the same bytes as the first one of a batch size");
  app.add_option("--plot", flags.plot,
                 "draw round trip, inference and overhead by batch size: FILE.html");
  app.add_option("--beside", flags.beside, "reports (--json) of earlier runs to draw beside it")
      ->delimiter(',');
}

void fill_from_file(const CLI::App& app, const CommonOptions& common, LoadFlags& flags) {
  const Config config = load_config(common);
  fill_client_flags(app, config, flags.server);
  fill_from_config(app, config, "model-name", flags.load.model);
  fill_from_config(app, config, "model-version", flags.load.version);
  fill_from_config(app, config, "batch-sizes", flags.load.batch_sizes);
  fill_from_config(app, config, "seconds", flags.load.seconds);
  fill_from_config(app, config, "warmup-seconds", flags.load.warmup_seconds);
  fill_from_config(app, config, "rate", flags.load.rate);
  fill_from_config(app, config, "form", flags.form);
  fill_from_config(app, config, "coding", flags.coding);
  fill_from_config(app, config, "min-particles", flags.load.min_particles);
  fill_from_config(app, config, "max-particles", flags.load.max_particles);
  fill_from_config(app, config, "seed", flags.load.seed);
  fill_from_config(app, config, "check-equal", flags.load.check_equal);
  fill_from_config(app, config, "plot", flags.plot);
  fill_from_config(app, config, "beside", flags.beside);
  config.reject_unknown();
}

void complete(LoadFlags& flags) {
  flags.load.server = client_options(flags.server);
  flags.load.form = client::parse_jet_form(flags.form);
  if (flags.load.form == client::JetForm::Auto)
    fail(ErrorCode::InvalidArgument, "a measurement needs one form: padded or ragged");
  if (flags.coding != "binary" && flags.coding != "json")
    fail(ErrorCode::InvalidArgument, "there is no coding '", flags.coding, "': binary or json");
  if (flags.coding == "json") flags.load.coding = client::TensorCoding::Json;
  if (!flags.plot.empty() && !flags.plot.ends_with(".html"))
    fail(ErrorCode::InvalidArgument, "a plot is a page, FILE.html, not ", flags.plot);
  if (flags.plot.empty() && !flags.beside.empty())
    fail(ErrorCode::InvalidArgument, "--beside needs --plot FILE");
  client::validate(flags.load);
}

std::vector<Json> read_reports(const std::vector<std::string>& paths) {
  std::vector<Json> reports;
  for (const std::string& path : paths) {
    reports.push_back(Json::parse(read_file(path), nullptr, false));
    if (!reports.back().is_object() || !reports.back().contains("results"))
      fail(ErrorCode::InvalidArgument, path, " is no report of loadgen --json");
  }
  return reports;
}

void print_row(const client::LoadResult& result) {
  std::int64_t failed = 0;
  for (const auto& [what, count] : result.failed) failed += count;
  std::printf("%6lld %9lld %7lld %11.0f %9.0f %9.0f %9.0f %9.0f %9.0f %9.0f\n",
              static_cast<long long>(result.batch_size),
              static_cast<long long>(result.round_trip.count), static_cast<long long>(failed),
              result.jets_per_second, result.round_trip.mean, result.round_trip.p50,
              result.round_trip.p90, result.round_trip.p99, result.inference, result.overhead);
  std::fflush(stdout);
}

int run(const CLI::App& app, const CommonOptions& common, LoadFlags flags) {
  fill_from_file(app, common, flags);
  complete(flags);
  std::vector<Json> reports = read_reports(flags.beside);
  if (!common.json)
    std::printf("%6s %9s %7s %11s %9s %9s %9s %9s %9s %9s\n", "batch", "requests", "failed",
                "jets/s", "mean us", "p50", "p90", "p99", "inference", "overhead");
  const auto results = client::generate_load(flags.load, common.json ? nullptr : print_row);
  const Json report = client::load_report(flags.load, results);
  if (!flags.plot.empty()) {
    reports.insert(reports.begin(), report);
    write_file(flags.plot, client::load_page(reports));
  }
  if (common.json) print_json(report);
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
