// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/base/version.h"
#include "jetcal/train/batch_loader.h"
#include "jetcal/train/detail/folder_lock.h"
#include "jetcal/train/evaluation.h"
#include "jetcal/train/learner.h"
#include "jetcal/train/loss.h"
#include "jetcal/train/run_files.h"
#include "jetcal/train/run_state.h"

namespace jetcal::train {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

namespace {

constexpr std::int64_t kPreparationBatch = 4096;
// Keeps dropout apart from other uses of the seed.
constexpr std::uint64_t kDropoutStream = 0xD809;

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

double system_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

nlohmann::json identity_of(const TrainOptions& options, const JetSources& sources) {
  nlohmann::json whole = identity(options);
  for (const auto& [split, source] :
       {std::pair{"train", sources.train.get()}, std::pair{"validation", sources.validation.get()},
        std::pair{"test", sources.test.get()}}) {
    whole["data"][split] =
        fmt::format("{} jets, fingerprint {}", source->num_jets(), source->fingerprint());
  }
  return whole;
}

models::Model make_model(const TrainOptions& options, const RunState& state) {
  models::Model model = models::initialise(options.model, static_cast<std::uint64_t>(options.seed));
  model.standardisation = state.standardisation;
  return model;
}

class Run {
 public:
  Run(const TrainOptions& options, const JetSources& sources, const TrainHooks& hooks)
      : options_(options),
        sources_(sources),
        hooks_(hooks),
        lock_(options.output / "checkpoint"),
        checkpoint_path_(options.output / "checkpoint" / "state") {}

  TrainResult finish() {
    const bool resumed = open_state();
    const RunFiles files(options_.output, state_.start_time);
    files.rewrite(state_.history,
                  state_.result ? std::optional(state_.result->test) : std::nullopt);
    const std::int64_t resumed_step = state_.step;
    const bool was_finished = state_.result.has_value();
    if (resumed && hooks_.on_resume) hooks_.on_resume(resumed_step);
    if (!was_finished) {
      train_epochs(files);
      test();
      save();
      files.add_test(state_.history, state_.result->test);
    }
    models::save_model(best_model(), options_.output / "model.jetcal");
    TrainResult result = *state_.result;
    result.was_finished = was_finished;
    result.resumed_step = resumed ? resumed_step : 0;
    return result;
  }

 private:
  double now() const { return hooks_.now ? hooks_.now() : system_seconds(); }
  bool stopping() const { return hooks_.should_stop && hooks_.should_stop(); }

  // Returns whether there was a checkpoint to go on from.
  bool open_state() {
    if (options_.restart) {
      std::error_code ignored;
      fs::remove(checkpoint_path_, ignored);
      fs::remove(options_.output / "model.jetcal", ignored);
      RunFiles::remove(options_.output);
    }
    nlohmann::json identity = identity_of(options_, sources_);
    if (fs::exists(checkpoint_path_)) {
      state_ = from_checkpoint(load_checkpoint(checkpoint_path_));
      require_same_run(state_.identity, identity, options_.output.string());
      learner_ = std::make_unique<Learner>(make_model(options_, state_), options_.optimizer);
      learner_->restore(state_.parameters, state_.buffers, state_.optimizer);
      return true;
    }
    // A first checkpoint before any other file: what a kill leaves behind always has a history.
    RunFiles::remove(options_.output);
    state_.identity = std::move(identity);
    state_.start_time = now();
    prepare();
    learner_ = std::make_unique<Learner>(make_model(options_, state_), options_.optimizer);
    save();
    return false;
  }

  // One pass over the training split: standardisation, the best constant, counts.
  void prepare() {
    BatchLoader loader(*sources_.train, sources_.train->stored_order(), kPreparationBatch);
    models::StandardisationFit fit;
    std::vector<float> targets, weights;
    while (const edm::FeatureBatch* const batch = loader.next()) {
      if (stopping()) fail(ErrorCode::Cancelled, "stopped before the first step");
      if (options_.model.standardise) fit.add(batch->view());
      targets.insert(targets.end(), batch->target.begin(), batch->target.end());
      weights.insert(weights.end(), batch->weight.begin(), batch->weight.end());
      state_.train.dropped_particles += batch->dropped_particles;
    }
    if (options_.model.standardise) state_.standardisation = fit.result();
    state_.constant = best_constant(targets, weights);
    const LossSum sum = sum_loss(targets, state_.constant, weights);
    state_.train.jets = sum.num_jets;
    state_.train.rejected_jets = sum.rejected_jets;
  }

  void save() {
    const models::Model& model = learner_->model();
    state_.parameters = model.parameters;
    state_.buffers = model.buffers;
    state_.optimizer = learner_->optimizer_state();
    save_checkpoint(to_checkpoint(state_), checkpoint_path_);
    last_save_ = steady_clock::now();
    steps_since_save_ = 0;
  }

  [[noreturn]] void stop() {
    save();
    fail(ErrorCode::Cancelled, "stopped in epoch ", state_.epoch + 1, " after ", state_.step,
         " steps; the same command goes on from there");
  }

  double learning_rate() const {
    return options_.optimizer.learning_rate *
           learning_rate_factor(options_.schedule, state_.epoch, options_.epochs);
  }

  void train_epochs(const RunFiles& files) {
    while (state_.epoch < options_.epochs) {
      train_batches();
      validate_epoch();
      save();
      files.add_epoch(state_.history);
      if (hooks_.on_epoch) hooks_.on_epoch(state_.history.back());
      if (stopping() && state_.epoch < options_.epochs) stop();
    }
  }

  void train_batches() {
    const auto seed = static_cast<std::uint64_t>(options_.seed);
    BatchLoader loader(*sources_.train, sources_.train->epoch_order(seed, state_.epoch),
                       options_.batch_size, state_.batch);
    const double rate = learning_rate();
    const double earlier_data_seconds = state_.epoch_data_seconds;
    const double earlier_data_cpu_seconds = state_.epoch_data_cpu_seconds;
    auto start = steady_clock::now();
    while (const edm::FeatureBatch* const batch = loader.next()) {
      const StepOutcome outcome = learner_->step(
          *batch, mix64(mix64(seed, kDropoutStream), static_cast<std::uint64_t>(state_.step)),
          rate);
      if (!outcome.finite()) {
        fail(ErrorCode::InvalidArgument, "the ", outcome.loss_finite ? "gradient" : "loss",
             " is not finite in epoch ", state_.epoch + 1, ", batch ", state_.batch + 1, " of ",
             loader.num_batches(), " at learning rate ", rate,
             ": lower the learning rate or standardise the features");
      }
      count_batch(*batch, outcome.loss);
      state_.epoch_seconds += seconds_since(start);
      state_.epoch_data_seconds = earlier_data_seconds + loader.wait_seconds();
      state_.epoch_data_cpu_seconds = earlier_data_cpu_seconds + loader.cpu_seconds();
      if (stopping()) stop();
      if (++steps_since_save_ >= options_.checkpoint_steps ||
          seconds_since(last_save_) >= options_.checkpoint_seconds) {
        save();
      }
      start = steady_clock::now();
    }
  }

  void count_batch(const edm::FeatureBatch& batch, double loss) {
    state_.epoch_error += loss * static_cast<double>(batch.num_jets());
    state_.epoch_jets += batch.num_jets();
    ++state_.batch;
    ++state_.step;
    if (!hooks_.on_batch) return;
    hooks_.on_batch({state_.epoch + 1, options_.epochs, state_.epoch_jets,
                     sources_.train->num_jets(), state_.step,
                     state_.epoch_error / static_cast<double>(state_.epoch_jets)});
  }

  void validate_epoch() {
    const auto start = steady_clock::now();
    const std::optional<Evaluation> validation =
        evaluate(learner_->model(), *sources_.validation, state_.constant, hooks_.should_stop);
    if (!validation) stop();
    const double loss = validation->network.mean();
    if (!std::isfinite(loss)) {
      fail(ErrorCode::InvalidArgument, "the validation loss is not finite after epoch ",
           state_.epoch + 1, " at learning rate ", learning_rate(),
           ": lower the learning rate or standardise the features");
    }
    state_.validation = {validation->network.num_jets, validation->network.rejected_jets,
                         validation->dropped_particles};
    EpochRecord record;
    record.epoch = state_.epoch + 1;
    record.train_loss = state_.epoch_error / static_cast<double>(state_.epoch_jets);
    record.validation_loss = loss;
    record.learning_rate = learning_rate();
    record.jets_per_second =
        static_cast<double>(state_.epoch_jets) / std::max(state_.epoch_seconds, 1e-9);
    record.seconds = state_.epoch_seconds + seconds_since(start);
    record.data_seconds = state_.epoch_data_seconds;
    record.data_cpu_seconds = state_.epoch_data_cpu_seconds;
    record.wall_time = now();
    state_.history.push_back(record);
    if (state_.best_epoch == 0 || loss < state_.best_validation_loss) {
      state_.best_epoch = record.epoch;
      state_.best_validation_loss = loss;
      state_.best_parameters = learner_->model().parameters;
      state_.best_buffers = learner_->model().buffers;
    }
    ++state_.epoch;
    state_.batch = 0;
    state_.epoch_error = 0;
    state_.epoch_jets = 0;
    state_.epoch_seconds = 0;
    state_.epoch_data_seconds = 0;
    state_.epoch_data_cpu_seconds = 0;
  }

  // The network with the lowest validation loss, with where it came from.
  models::Model best_model() const {
    models::Model model = learner_->model();
    model.parameters = state_.best_parameters;
    model.buffers = state_.best_buffers;
    if (!state_.result) return model;
    const TrainResult& result = *state_.result;
    model.provenance = {{"made_by", fmt::format("jetcal {} ({})", version(), commit())},
                        {"seed", std::to_string(options_.seed)},
                        {"data", options_.data.string()},
                        {"train_data", state_.identity.at("data").at("train").get<std::string>()},
                        {"training", state_.identity.at("training").dump()},
                        {"best_epoch", std::to_string(result.best_epoch)},
                        {"validation_loss", fmt::format("{}", result.best_validation_loss)},
                        {"test_loss", fmt::format("{}", result.test.loss)},
                        {"no_correction_loss", fmt::format("{}", result.test.no_correction_loss)},
                        {"best_constant_loss", fmt::format("{}", result.test.best_constant_loss)}};
    return model;
  }

  void test() {
    const models::Model model = best_model();
    const std::optional<Evaluation> test =
        evaluate(model, *sources_.test, state_.constant, hooks_.should_stop);
    if (!test) stop();
    TrainResult result;
    result.num_parameters = models::num_parameters(options_.model);
    result.train = state_.train;
    result.validation = state_.validation;
    result.test_jets = {test->network.num_jets, test->network.rejected_jets,
                        test->dropped_particles};
    result.constant = state_.constant;
    result.epochs = state_.history;
    result.best_epoch = state_.best_epoch;
    result.best_validation_loss = state_.best_validation_loss;
    result.test = {test->network.mean(), test->no_correction.mean(), test->constant.mean(), now()};
    result.fingerprint = models::fingerprint(model);
    state_.result = std::move(result);
  }

  const TrainOptions& options_;
  const JetSources& sources_;
  const TrainHooks& hooks_;
  detail::FolderLock lock_;
  fs::path checkpoint_path_;
  RunState state_;
  std::unique_ptr<Learner> learner_;
  steady_clock::time_point last_save_;
  std::int64_t steps_since_save_ = 0;
};

}  // namespace

TrainResult train(const TrainOptions& options, const JetSources& sources, const TrainHooks& hooks) {
  validate(options);
  return Run(options, sources, hooks).finish();
}

}  // namespace jetcal::train
