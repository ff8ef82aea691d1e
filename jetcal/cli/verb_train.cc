// SPDX-License-Identifier: Apache-2.0
// jetcal train: flags, progress lines and the result of a training run.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "jetcal/base/progress.h"
#include "jetcal/base/stop.h"
#include "jetcal/base/threads.h"
#include "jetcal/cli/verb.h"
#include "jetcal/train/trainer.h"

namespace jetcal::cli {
namespace {

struct TrainFlags {
  std::string data_mode;
  std::optional<double> memory_mb;
  std::string data, output, preset, mode, optimizer, schedule;
  std::optional<bool> standardise;
  std::optional<std::int64_t> epochs, batch_size, seed, checkpoint_steps;
  std::optional<double> lr, weight_decay;
  bool restart = false;
};

void add_flags(CLI::App& app, TrainFlags& flags) {
  app.add_option("--data", flags.data,
                 "folder of shards that jetcal ingest wrote, or s3://bucket/prefix");
  app.add_option("--data-mode", flags.data_mode,
                 "auto (default), memory, mapped or streamed: where jets are held");
  app.add_option("--memory-mb", flags.memory_mb,
                 "memory for streamed jets, default 1024; more mixes them further");
  app.add_option("--output", flags.output, "folder for model, metrics and checkpoint");
  app.add_option("--preset", flags.preset,
                 "paper-pfn, paper-particlenet, transformer, small-pfn, small-particlenet or "
                 "small-transformer");
  app.add_option("--mode", flags.mode, "input mode: paper or constituents");
  app.add_flag("--standardise,!--no-standardise", flags.standardise,
               "shift and scale features by the training set's mean and deviation");
  app.add_option("--epochs", flags.epochs, "epochs, default 50");
  app.add_option("--batch-size", flags.batch_size, "jets a batch, default 500");
  app.add_option("--optimizer", flags.optimizer,
                 "adam, adamw, adagrad, rmsprop or ranger (default)");
  app.add_option("--lr", flags.lr,
                 "initial learning rate, default 0.01 for adagrad and rmsprop, else 0.001");
  app.add_option("--weight-decay", flags.weight_decay, "default 0.01 for adamw, 0 otherwise");
  app.add_option("--schedule", flags.schedule, "flat-decay (default) or constant");
  app.add_option("--seed", flags.seed, "seed of weights, order and dropout, default 1");
  app.add_option("--checkpoint-steps", flags.checkpoint_steps,
                 "steps between checkpoints, default 200");
  app.add_flag("--restart", flags.restart, "throw an earlier run in the output folder away");
}

template <typename T>
void override_field(Config& config, const char* name, const std::optional<T>& flag) {
  if (flag) config.set(name, fmt::format("{}", *flag));
}

void override_field(Config& config, const char* name, const std::string& flag) {
  if (!flag.empty()) config.set(name, flag);
}

train::TrainOptions read_options(const TrainFlags& flags, const CommonOptions& common) {
  Config config = load_config(common);
  override_field(config, "data.directory", flags.data);
  override_field(config, "data.mode", flags.data_mode);
  override_field(config, "data.memory_mb", flags.memory_mb);
  override_field(config, "output", flags.output);
  override_field(config, "model.preset", flags.preset);
  override_field(config, "model.mode", flags.mode);
  override_field(config, "model.standardise", flags.standardise);
  override_field(config, "training.epochs", flags.epochs);
  override_field(config, "training.batch_size", flags.batch_size);
  override_field(config, "training.optimizer", flags.optimizer);
  override_field(config, "training.lr", flags.lr);
  override_field(config, "training.weight_decay", flags.weight_decay);
  override_field(config, "training.schedule", flags.schedule);
  override_field(config, "training.seed", flags.seed);
  override_field(config, "training.checkpoint_steps", flags.checkpoint_steps);
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
                                             now.jets, "jets");
      epochs_ = now.epochs;
    }
    progress_->update(now.jets_done, fmt::format("loss {:.5f}", now.loss));
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
  const auto outside =
      result.train.rejected_jets + result.validation.rejected_jets + result.test_jets.rejected_jets;
  std::printf("\n%lld jets have |y| >= 1 and count only in the denominator; constant %.5f\n",
              static_cast<long long>(outside), result.constant);
  // The two lines that Katib's StdOut collector reads.
  std::printf("validation_loss=%.9g\ntest_loss=%.9g\n", result.best_validation_loss, test.loss);
  std::printf("model: %s/model.jetcal\n", output.c_str());
}

int train_and_print(const TrainFlags& flags, const CommonOptions& common) {
  const train::TrainOptions options = read_options(flags, common);
  const train::JetSources sources =
      train::open_shards(options.data, options.model.input_mode, options.storage);
  EpochProgress progress;
  train::TrainHooks hooks;
  hooks.should_stop = [] { return stop_requested(); };
  hooks.on_batch = [&progress](const train::BatchProgress& now) { progress.on_batch(now); };
  hooks.on_epoch = [&progress](const train::EpochRecord& epoch) { progress.on_epoch(epoch); };
  hooks.on_resume = [&options](std::int64_t step) {
    std::fprintf(stderr, "going on with the run in %s after %lld steps\n", options.output.c_str(),
                 static_cast<long long>(step));
  };
  const train::TrainResult result = train::train(options, sources, hooks);
  if (!common.json) {
    print_table(result, options.output.string());
    return 0;
  }
  nlohmann::ordered_json document = train::report(result);
  document["model"] = (options.output / "model.jetcal").string();
  document["configuration"] = train::identity(options);
  if (sources.storage_report) document["storage"] = sources.storage_report();
  print_json(document);
  return 0;
}

}  // namespace

Verb make_train_verb() {
  return {"train", "Train a network on shards, resuming where an earlier run was stopped.",
          [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
            const auto flags = std::make_shared<TrainFlags>();  // outlives this call, with the app
            add_flags(app, *flags);
            return [flags, &common] { return train_and_print(*flags, common); };
          }};
}

}  // namespace jetcal::cli
