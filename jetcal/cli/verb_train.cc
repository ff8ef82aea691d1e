// SPDX-License-Identifier: Apache-2.0
// jetcal train: flags, progress lines and the result of a training run.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "jetcal/base/files.h"
#include "jetcal/base/progress.h"
#include "jetcal/base/stop.h"
#include "jetcal/base/threads.h"
#include "jetcal/cli/course_flags.h"
#include "jetcal/cli/network_device.h"
#include "jetcal/cli/performance_table.h"
#include "jetcal/cli/train_figures.h"
#include "jetcal/cli/train_workers.h"
#include "jetcal/cli/verb.h"
#include "jetcal/data/file_store.h"
#include "jetcal/data/row_selection.h"
#include "jetcal/models/model_summary.h"
#include "jetcal/train/lr_finder.h"
#include "jetcal/train/run_files.h"
#include "jetcal/train/selected_source.h"
#include "jetcal/train/status_push.h"
#include "jetcal/train/trainer.h"

namespace jetcal::cli {
namespace {

struct TrainFlags {
  std::string data_mode, backend;
  std::optional<double> memory_mb;
  std::string data, output, preset, mode, optimizer, lr_finder;
  CourseFlags course;
  std::string features, target, head, pooling, norm;
  std::optional<bool> standardise, skip, closure;
  std::optional<double> flavor_weight;
  std::optional<std::int64_t> epochs, pause_after, batch_size, seed, checkpoint_steps, workers;
  std::optional<double> lr, weight_decay, fraction;
  std::string selection, weight;
  bool restart = false, summary = false;
};

// Leaves `value` empty when neither --x nor --no-x is given: add_flag() would make it false, and so
// override the configuration.
void add_switch(CLI::App& app, const std::string& names, std::optional<bool>& value,
                const std::string& text) {
  app.add_flag_function(
      names, [&value](std::int64_t count) { value = count > 0; }, text);
}

void add_flags(CLI::App& app, TrainFlags& flags) {
  app.add_option("--data", flags.data,
                 "folder of shards that jetcal ingest wrote, or s3://bucket/prefix");
  app.add_option("--data-mode", flags.data_mode,
                 "auto (default), memory, mapped or streamed: where jets are held");
  app.add_option("--memory-mb", flags.memory_mb,
                 "memory for streamed jets, default 1024; more mixes them further");
  app.add_option("--selection", flags.selection, "train on jets of which this expression is true");
  app.add_option("--weight", flags.weight, "expression: weight of each jet in the loss");
  app.add_option("--fraction", flags.fraction, "part of the jets to use, default 1");
  app.add_option("--output", flags.output, "folder for model, metrics and checkpoint");
  app.add_option("--preset", flags.preset,
                 "paper-pfn, paper-particlenet, transformer, small-pfn, small-particlenet, "
                 "small-transformer, beyond-pfn or beyond-particlenet");
  app.add_option("--mode", flags.mode, "input mode: paper or constituents");
  add_switch(app, "--standardise,!--no-standardise", flags.standardise,
             "shift and scale features by the training set's mean and deviation");
  app.add_option("--features", flags.features, "published (default) or extended");
  app.add_option("--target", flags.target, "pT to correct: jec (default) or raw");
  add_switch(app, "--skip,!--no-skip", flags.skip,
             "of target raw: start at the conventional correction (default)");
  app.add_option("--head", flags.head,
                 "value (default), quantiles, gaussian, laplace or mixture: the others predict a "
                 "resolution too");
  app.add_option("--pooling", flags.pooling, "standard (default), sum, mean or padded-mean");
  app.add_option("--norm", flags.norm, "none (default) or batch");
  app.add_option("--flavor-weight", flags.flavor_weight,
                 "weight of the flavors' loss, default 0: none");
  add_switch(app, "--closure,!--no-closure", flags.closure,
             "correct the response of the trained network in bins of pT and |eta|");
  app.add_option("--epochs", flags.epochs, "epochs, default 50");
  app.add_option("--pause-after", flags.pause_after,
                 "pause after this epoch of all; a later one goes on from there");
  app.add_option("--batch-size", flags.batch_size, "jets a batch, default 500");
  app.add_option("--optimizer", flags.optimizer,
                 "adam, adamw, adagrad, rmsprop or ranger (default)");
  app.add_option("--lr", flags.lr,
                 "initial learning rate, default 0.01 for adagrad and rmsprop, else 0.001");
  app.add_option("--weight-decay", flags.weight_decay, "default 0.01 for adamw, 0 otherwise");
  add_course_flags(app, flags.course);
  app.add_option("--lr-finder", flags.lr_finder,
                 "LOW,HIGH,STEPS: test rising learning rates instead of training");
  app.add_flag("--summary", flags.summary, "print the layers of the network before training");
  app.add_option("--seed", flags.seed, "seed of weights, order and dropout, default 1");
  app.add_option("--checkpoint-steps", flags.checkpoint_steps,
                 "steps between checkpoints, default 200");
  app.add_option("--workers", flags.workers,
                 "processes to start on this machine and share every batch between, default 1");
  app.add_option("--backend", flags.backend, "what workers talk over: auto (default), tcp or mpi");
  app.add_flag("--restart", flags.restart, "throw an earlier run in the output folder away");
}

template <typename T>
void override_field(Config& config, const char* name, const std::optional<T>& flag) {
  if (flag) config.set(name, fmt::format("{}", *flag));
}

void override_field(Config& config, const char* name, const std::string& flag) {
  if (!flag.empty()) config.set_text(name, flag);
}

train::TrainOptions read_options(const TrainFlags& flags, const CommonOptions& common) {
  Config config = load_config(common);
  override_field(config, "data.directory", flags.data);
  override_field(config, "data.selection", flags.selection);
  override_field(config, "data.weight", flags.weight);
  override_field(config, "data.fraction", flags.fraction);
  override_field(config, "data.mode", flags.data_mode);
  override_field(config, "data.memory_mb", flags.memory_mb);
  override_field(config, "output", flags.output);
  override_field(config, "model.preset", flags.preset);
  override_field(config, "model.mode", flags.mode);
  override_field(config, "model.standardise", flags.standardise);
  override_field(config, "model.features", flags.features);
  override_field(config, "model.target", flags.target);
  override_field(config, "model.skip", flags.skip);
  override_field(config, "model.head", flags.head);
  override_field(config, "model.pooling", flags.pooling);
  override_field(config, "model.norm", flags.norm);
  override_field(config, "training.flavor_weight", flags.flavor_weight);
  override_field(config, "training.closure", flags.closure);
  override_field(config, "training.epochs", flags.epochs);
  override_field(config, "training.pause_after", flags.pause_after);
  override_field(config, "training.batch_size", flags.batch_size);
  override_field(config, "training.optimizer", flags.optimizer);
  override_field(config, "training.lr", flags.lr);
  override_field(config, "training.weight_decay", flags.weight_decay);
  apply(flags.course, config);
  override_field(config, "training.seed", flags.seed);
  override_field(config, "training.checkpoint_steps", flags.checkpoint_steps);
  override_field(config, "distributed.workers", flags.workers);
  override_field(config, "distributed.backend", flags.backend);
  train::TrainOptions options = train::read_train_options(config);
  const int threads = config.get("threads", 0);
  config.reject_unknown();
  if (threads < 0) fail(ErrorCode::InvalidArgument, "threads must not be negative, got ", threads);
  if (common.threads == 0 && threads > 0) set_num_threads(threads);
  options.restart = flags.restart;
  train::validate(options);
  return options;
}

// One progress bar (or a few plain lines) an epoch, on standard error.
class EpochProgress {
 public:
  void on_batch(const train::BatchProgress& now) {
    if (!progress_) {
      progress_ = std::make_unique<Progress>(fmt::format("epoch {}/{}", now.epoch, now.epochs),
                                             now.jets, "jets", now.earlier_jets);
      epochs_ = now.epochs;
    }
    const double seconds = std::max(now.seconds, 1e-9);
    const auto left = static_cast<double>((now.epochs - now.epoch + 1) * now.jets - now.jets_done);
    // What was done before a resume may have had another speed.
    const double jet_seconds =
        (now.seconds - now.earlier_seconds) / static_cast<double>(now.jets_done - now.earlier_jets);
    progress_->update(
        now.jets_done,
        fmt::format("loss {:.5f}, rate {:.2e}, {:.1f} % waiting for jets, {:.1f} min to the end",
                    now.loss, now.learning_rate, 100 * now.data_seconds / seconds,
                    left * jet_seconds / 60));
  }

  void on_epoch(const train::EpochRecord& epoch) {
    seconds_ += epoch.seconds;
    ++done_;
    const double left = seconds_ / done_ * static_cast<double>(epochs_ - epoch.epoch);
    if (progress_) {
      progress_->finish(fmt::format("loss {:.5f}, validation {:.5f}, {:.1f} min left",
                                    epoch.train_loss, epoch.validation_loss, left / 60));
    }
    progress_.reset();
  }

 private:
  std::unique_ptr<Progress> progress_;
  std::int64_t epochs_ = 0;
  double seconds_ = 0;
  int done_ = 0;
};

void print_paused(const train::TrainResult& result) {
  std::printf(
      "paused after epoch %zu; best validation loss %.9g in epoch %lld; the same command "
      "with a later --pause-after, or without, goes on\n",
      result.epochs.size(), result.best_validation_loss, static_cast<long long>(result.best_epoch));
}

void print_table(const train::TrainResult& result, const std::string& output) {
  const train::TestResult& test = result.test;
  std::printf(
      "%lld parameters, %lld training jets, best epoch %lld of %zu, %.0f jets/s (%.2g %% "
      "of the time waiting for jets)%s\n\n",
      static_cast<long long>(result.num_parameters), static_cast<long long>(result.train.jets),
      static_cast<long long>(result.best_epoch), result.epochs.size(), result.jets_per_second(),
      result.data_percent(), result.was_finished ? " (trained before)" : "");
  std::printf("%-16s %10s %16s %20s\n", "test loss", "loss", "gain over none",
              "gain over constant");
  const auto row = [&test](const char* name, double loss) {
    std::printf("%-16s %10.5f %15.2f%% %19.2f%%\n", name, loss,
                100 * (1 - loss / test.no_correction_loss),
                100 * (1 - loss / test.best_constant_loss));
  };
  row("no correction", test.no_correction_loss);
  row("best constant", test.best_constant_loss);
  row("network", test.loss);
  print_performance(result.performance);
  const auto outside =
      result.train.rejected_jets + result.validation.rejected_jets + result.test_jets.rejected_jets;
  std::printf("\n%lld jets have |y| >= 1 and count only in the denominator; constant %.5f\n",
              static_cast<long long>(outside), result.constant);
  // The two lines that Katib's StdOut collector reads.
  std::printf("validation_loss=%.9g\ntest_loss=%.9g\n", result.best_validation_loss, test.loss);
  std::printf("model: %s/model.jetcal\n", output.c_str());
}

// What became of every jet of the shards, where anything did.
void print_selection(const data::RowSelection& selection) {
  if (selection.leaves_all()) return;
  std::printf("%-12s %12s %12s %12s %12s %12s %12s %14s\n", "jets", "read", "kept", "selection",
              "not finite", "fraction", "outside", "weight");
  const auto row = [](const std::string& name, const data::RowAccount& jets) {
    std::printf("%-12s %12lld %12lld %12lld %12lld %12lld %12lld %14.6g\n", name.c_str(),
                static_cast<long long>(jets.read), static_cast<long long>(jets.kept),
                static_cast<long long>(jets.rejected_selection) + jets.rejected_split_selection,
                static_cast<long long>(jets.selection_not_finite) + jets.weight_not_finite,
                static_cast<long long>(jets.not_in_fraction),
                static_cast<long long>(jets.outside_reweighting), jets.weight);
  };
  for (const data::Split split : data::kSplits) {
    const data::SelectedRows& rows = selection.splits[static_cast<std::size_t>(split)];
    row(std::string(data::split_name(split)), rows.account);
    for (const auto& [group, account] : rows.groups)
      row("  " + (group.empty() ? std::string("-") : group), account);
  }
  std::printf("\n");
}

// The jets that take part. Rules of training need any row at once; `account` gets what they did.
train::JetSources open_sources(const train::TrainOptions& options, const CommonOptions& common,
                               bool tell, nlohmann::ordered_json& account) {
  train::JetSources sources =
      train::open_shards(options.data, options.model.inputs(), options.storage);
  if (!train::maps_shards(options.data, options.storage)) {
    const data::RulesLeft left =
        data::rules_left(options.rules, options.reweighting,
                         data::read_manifest(*data::open_store(options.data.string())));
    if (!left.nothing) {
      fail(ErrorCode::InvalidArgument,
           "selection, weights, fractions and reweighting of training need data.mode mapped and a ",
           "folder; let jetcal ingest apply them, with the same section data, then ",
           options.data.string(), " can be streamed");
    }
    if (!left.applied_by_ingest.empty()) account["applied_by_ingest"] = left.applied_by_ingest;
    return sources;
  }
  data::RowSelection selection =
      data::select_rows(options.data, options.rules, options.reweighting);
  account = data::to_json(selection);
  if (tell && !common.json) print_selection(selection);
  return train::select_jets(std::move(sources), std::move(selection));
}

// Writes OUTPUT/lr_finder.json and the plot; no run begins.
int test_rates(const TrainFlags& flags, const CommonOptions& common) {
  const train::LrFinderOptions finder = train::parse_lr_finder(flags.lr_finder);
  const train::TrainOptions options = read_options(flags, common);
  nlohmann::ordered_json account;
  const train::JetSources sources = open_sources(options, common, /*tell=*/true, account);
  const train::LrFinderResult result = train::find_learning_rate(
      options, sources, finder, [] { return stop_requested(); },
      device_pass(options.course.device, options.course.precision));
  std::filesystem::create_directories(options.output);
  const nlohmann::ordered_json document = to_json(result);
  write_file(options.output / "lr_finder.json", document.dump(2) + "\n");
  draw_lr_finder(result, options.output);
  if (common.json) {
    print_json(document);
    return 0;
  }
  std::printf("%zu steps from %.3g to %.3g%s; lowest loss at %.3g\nsuggestion: --lr %.3g\n",
              result.rates.size(), result.rates.front(), result.rates.back(),
              result.diverged ? ", where the loss explodes" : "", result.lowest_rate,
              result.suggestion);
  std::printf("%s/lr_finder.png\n", options.output.c_str());
  return 0;
}

int train_and_print(const train::TrainOptions& options, const CommonOptions& common, bool summary,
                    workers::Communicator* workers) {
  const bool first = workers == nullptr || workers->rank() == 0;
  nlohmann::ordered_json account;
  const train::JetSources sources = open_sources(options, common, first, account);
  if (summary && first) {
    constexpr std::int64_t kConstituents = 40;
    const bool paper = options.model.input_mode == edm::InputMode::Paper;
    const std::int64_t particles = paper ? edm::kPaperMaxParticles : kConstituents;
    std::fputs(models::summary_table(options.model, particles).c_str(), stderr);
  }
  EpochProgress progress;
  train::TrainHooks hooks;
  hooks.should_stop = [] { return stop_requested(); };
  hooks.pass = device_pass(options.course.device, options.course.precision);
  if (!first) {
    train::train(options, sources, hooks, workers);
    return 0;
  }
  const std::optional<train::StatusEndpoint> endpoint = train::status_endpoint();
  std::optional<train::StatusPush> status;
  if (endpoint) status.emplace(*endpoint, options.epochs);
  hooks.on_batch = [&progress, &status](const train::BatchProgress& now) {
    progress.on_batch(now);
    const auto jets = static_cast<double>(std::max<std::int64_t>(now.jets, 1));
    if (status)
      status->on_batch(static_cast<double>(now.epoch - 1) +
                       static_cast<double>(now.jets_done) / jets);
  };
  hooks.on_epoch = [&progress, &status, &common](const train::EpochRecord& epoch) {
    progress.on_epoch(epoch);
    if (status) status->on_epoch(epoch);
    if (common.json) return;
    // For Katib's StdOut collector, which reads while the run goes on and may end it early.
    std::fputs(train::metrics_line(epoch).c_str(), stdout);
    std::fflush(stdout);
  };
  hooks.on_resume = [&options](std::int64_t step) {
    std::fprintf(stderr, "going on with the run in %s after %lld steps\n", options.output.c_str(),
                 static_cast<long long>(step));
  };
  hooks.draw = draw_responses;
  const train::TrainResult result = train::train(options, sources, hooks, workers);
  if (status && !result.paused) status->on_test(result.test);
  const std::optional<train::StatusReport> pushed =
      status ? std::optional(status->finish()) : std::nullopt;
  if (pushed && pushed->failed > 0) {
    std::fprintf(stderr, "%lld of %lld pushes of status to %s failed: %s\n",
                 static_cast<long long>(pushed->failed),
                 static_cast<long long>(pushed->failed) + pushed->sent, endpoint->url.c_str(),
                 pushed->error.c_str());
  }
  if (!common.json) {
    if (result.paused) {
      print_paused(result);
    } else {
      print_table(result, options.output.string());
    }
    return 0;
  }
  nlohmann::ordered_json document = train::report(result);
  if (!result.paused) document["model"] = (options.output / "model.jetcal").string();
  if (!account.is_null()) document["data"] = account;
  document["configuration"] = train::identity(options);
  if (sources.storage_report) document["storage"] = sources.storage_report();
  if (workers != nullptr) document["workers"] = report(*workers);
  if (pushed) {
    document["status_pushes"] = {
        {"sent", pushed->sent}, {"failed", pushed->failed}, {"superseded", pushed->superseded}};
  }
  print_json(document);
  return 0;
}

int run(const TrainFlags& flags, const CommonOptions& common) {
  const train::TrainOptions options = read_options(flags, common);
  const workers::Place place = place_of_this_process(options.distributed);
  if (common.threads == 0 && load_config(common).get("threads", 0) == 0) share_threads(place);
  return run_as_worker(place, options.distributed, [&](workers::Communicator* workers) {
    return train_and_print(options, common, flags.summary, workers);
  });
}

}  // namespace

Verb make_train_verb() {
  return {"train", "Train a network on shards, resuming where an earlier run was stopped.",
          [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
            const auto flags = std::make_shared<TrainFlags>();  // outlives this call, with the app
            add_flags(app, *flags);
            return [flags, &common] {
              return flags->lr_finder.empty() ? run(*flags, common) : test_rates(*flags, common);
            };
          }};
}

}  // namespace jetcal::cli
