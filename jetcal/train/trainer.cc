// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/data/file_store.h"
#include "jetcal/train/batch_loader.h"
#include "jetcal/train/calibrate.h"
#include "jetcal/train/detail/folder_lock.h"
#include "jetcal/train/evaluation.h"
#include "jetcal/train/first_pass.h"
#include "jetcal/train/learner.h"
#include "jetcal/train/provenance.h"
#include "jetcal/train/run_files.h"
#include "jetcal/train/run_setup.h"
#include "jetcal/train/run_state.h"
#include "jetcal/train/worker_group.h"

namespace jetcal::train {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

namespace {

constexpr std::int64_t kFigureJets = 200'000;
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
  // A full shuffle has no name: runs from before there were others go on.
  const std::string order = sources.train->order_name();
  if (!order.empty()) whole["data"]["order"] = order;
  return whole;
}

class Run {
 public:
  Run(const TrainOptions& options, const JetSources& sources, const TrainHooks& hooks,
      const WorkerGroup& group)
      : options_(options),
        sources_(sources),
        hooks_(hooks),
        group_(group),
        checkpoint_path_(options.output / "checkpoint" / "state") {
    if (group.is_first()) lock_.emplace(options.output / "checkpoint");
  }

  TrainResult finish() {
    const bool resumed = open_state();
    earlier_jets_ = state_.epoch_jets;
    earlier_seconds_ = state_.epoch_seconds;
    const RunFiles files(options_.output, state_.start_time, hyperparameters(options_),
                         options_.metrics_file, data_location());
    if (group_.is_first()) {
      files.rewrite(state_.history,
                    state_.result ? std::optional(state_.result->test) : std::nullopt);
    }
    const std::int64_t resumed_step = state_.step;
    const bool was_finished = state_.result.has_value();
    if (resumed && hooks_.on_resume) hooks_.on_resume(resumed_step);
    if (!was_finished) {
      train_epochs(files);
      if (paused()) return paused_result(resumed ? resumed_step : 0);
      test();
      save();
      if (group_.is_first()) files.add_test(state_.history, state_.result->test);
    }
    if (group_.is_first()) models::save_model(best_model(), options_.output / "model.jetcal");
    TrainResult result = *state_.result;
    result.performance = state_.performance;
    result.was_finished = was_finished;
    result.resumed_step = resumed ? resumed_step : 0;
    return result;
  }

 private:
  // Where this machine finds the jets, for whoever looks at the run here.
  std::string data_location() const {
    if (data::is_remote(options_.data.string())) return options_.data.string();
    return fs::absolute(options_.data).lexically_normal().string();
  }

  double now() const { return hooks_.now ? hooks_.now() : system_seconds(); }
  bool stopping() const { return hooks_.should_stop && hooks_.should_stop(); }

  bool paused() const {
    return options_.pause_after > 0 && state_.epoch >= options_.pause_after &&
           state_.epoch < options_.epochs && !out_of_patience(options_.course, state_.history);
  }

  TrainResult paused_result(std::int64_t resumed_step) const {
    TrainResult result;
    result.paused = true;
    result.num_parameters = models::num_parameters(options_.model);
    result.train = state_.train;
    result.validation = state_.validation;
    result.epochs = state_.history;
    result.best_epoch = state_.best_epoch;
    result.best_validation_loss = state_.best_validation_loss;
    result.resumed_step = resumed_step;
    return result;
  }

  // Returns whether there was a checkpoint to go on from. The first worker reads or makes the
  // state, the others get it from there: they need not see its folder.
  bool open_state() {
    const nlohmann::json identity = identity_of(options_, sources_);
    const bool resumed = group_.is_first() && find_state(identity);
    if (group_.is_first()) {
      learner_ = make_learner(options_, state_.standardisation, group_.communicator(), hooks_.pass);
      if (resumed) learner_->restore(state_.parameters, state_.buffers, state_.optimizer);
      if (!resumed) save();  // before any other file: what a kill leaves behind has a history
    }
    if (!group_.alone()) share_state(identity);
    return resumed;
  }

  void share_state(const nlohmann::json& identity) {
    std::string bytes;
    if (group_.is_first()) bytes = encode(to_checkpoint(state_));
    group_.broadcast(bytes);
    if (group_.is_first()) return;
    state_ = from_checkpoint(decode(bytes, checkpoint_path_));
    const auto difference = first_difference(state_.identity, identity);
    if (difference) {
      fail(ErrorCode::InvalidArgument, "the workers differ in ", difference->field,
           ": the first one has ", difference->first, ", this one ", difference->second);
    }
    learner_ = make_learner(options_, state_.standardisation, group_.communicator(), hooks_.pass);
    learner_->restore(state_.parameters, state_.buffers, state_.optimizer);
  }

  // Finds a checkpoint, or begins a new run and returns false.
  bool find_state(const nlohmann::json& identity) {
    if (options_.restart) {
      std::error_code ignored;
      fs::remove(checkpoint_path_, ignored);
      fs::remove(options_.output / "model.jetcal", ignored);
      RunFiles::remove(options_.output);
    }
    if (fs::exists(checkpoint_path_)) {
      state_ = from_checkpoint(load_checkpoint(checkpoint_path_));
      require_same_run(state_.identity, identity, options_.output.string());
      return true;
    }
    RunFiles::remove(options_.output);
    state_.identity = identity;
    state_.start_time = now();
    FirstPass found = pass_over_training_split(options_, *sources_.train, hooks_.should_stop);
    state_.standardisation = std::move(found.standardisation);
    state_.constant = found.constant;
    state_.train = std::move(found.train);
    return false;
  }

  void save() {
    last_save_ = steady_clock::now();
    steps_since_save_ = 0;
    if (!group_.is_first()) return;
    const models::Model& model = learner_->model();
    state_.parameters = model.parameters;
    state_.buffers = model.buffers;
    state_.optimizer = learner_->optimizer_state();
    save_checkpoint(to_checkpoint(state_), checkpoint_path_);
  }

  [[noreturn]] void stop() {
    save();
    group_.any(false);  // nobody leaves before it is written
    fail(ErrorCode::Cancelled, "stopped in epoch ", state_.epoch + 1, " after ", state_.step,
         " steps; the same command goes on from there");
  }

  // Batches of one pass over the jets.
  std::int64_t batches_of_pass() const {
    return (sources_.train->num_jets() + options_.batch_size - 1) / options_.batch_size;
  }
  std::int64_t steps_per_epoch() const {
    const std::int64_t asked = options_.course.resolved_steps_per_epoch(options_.batch_size);
    return asked > 0 ? asked : batches_of_pass();
  }

  // The last batch of a pass may be smaller.
  std::int64_t jets_of_epoch() const {
    const std::int64_t begin = state_.epoch * steps_per_epoch();
    const std::int64_t end = begin + steps_per_epoch();
    const std::int64_t passes = end / batches_of_pass() - begin / batches_of_pass();
    return steps_per_epoch() * options_.batch_size -
           passes * (batches_of_pass() * options_.batch_size - sources_.train->num_jets());
  }

  // Of the step that comes next, or of the last one when `steps_back` is 1.
  double learning_rate(std::int64_t steps_back = 0) const {
    return options_.optimizer.learning_rate *
           learning_rate_factor(
               options_.course.schedule,
               {state_.epoch, options_.epochs, state_.step - steps_back, steps_per_epoch()});
  }

  void train_epochs(const RunFiles& files) {
    while (state_.epoch < options_.epochs && !paused() &&
           !out_of_patience(options_.course, state_.history)) {
      train_batches();
      validate_epoch();
      if (group_.is_first()) show_epoch(files);
      save();
      if (group_.is_first()) files.add_epoch(state_.history);
      if (hooks_.on_epoch) hooks_.on_epoch(state_.history.back());
      if (group_.any(stopping()) && state_.epoch < options_.epochs) stop();
    }
  }

  // Steps follow one endless sequence of seeded passes over the jets, which epochs cut.
  void train_batches() {
    while (state_.batch < steps_per_epoch()) {
      const std::int64_t pass = state_.step / batches_of_pass();
      const auto seed = static_cast<std::uint64_t>(options_.seed);
      BatchLoader loader(*sources_.train, sources_.train->epoch_order(seed, pass),
                         options_.batch_size, state_.step % batches_of_pass(), group_.slice());
      train_batches(loader);
    }
  }

  void train_batches(BatchLoader& loader) {
    const auto seed = static_cast<std::uint64_t>(options_.seed);
    const double earlier_data_seconds = state_.epoch_data_seconds;
    const double earlier_data_cpu_seconds = state_.epoch_data_cpu_seconds;
    auto start = steady_clock::now();
    while (state_.batch < steps_per_epoch()) {
      const edm::FeatureBatch* const batch = loader.next();
      if (batch == nullptr) return;
      const std::int64_t jets = loader.batch_jets(state_.step % batches_of_pass());
      const double rate = learning_rate();
      const StepOutcome outcome = learner_->step(
          *batch, mix64(mix64(seed, kDropoutStream), static_cast<std::uint64_t>(state_.step)), rate,
          {group_.slice().begin(jets), jets, stopping()});
      if (!outcome.finite()) {
        fail(ErrorCode::InvalidArgument, "the ", outcome.loss_finite ? "gradient" : "loss",
             " is not finite in epoch ", state_.epoch + 1, ", batch ", state_.batch + 1, " of ",
             steps_per_epoch(), " at learning rate ", rate,
             ": lower the learning rate or standardise the features");
      }
      count_batch(jets, outcome);
      state_.epoch_seconds += seconds_since(start);
      state_.epoch_data_seconds = earlier_data_seconds + loader.wait_seconds();
      state_.epoch_data_cpu_seconds = earlier_data_cpu_seconds + loader.cpu_seconds();
      tell_of_batch(rate);
      if (group_.alone() ? stopping() : outcome.stop) stop();
      if (++steps_since_save_ >= options_.checkpoint_steps ||
          seconds_since(last_save_) >= options_.checkpoint_seconds) {
        save();
      }
      start = steady_clock::now();
    }
  }

  void count_batch(std::int64_t jets, const StepOutcome& outcome) {
    state_.epoch_error += outcome.loss * static_cast<double>(jets);
    state_.epoch_jets += jets;
    state_.epoch_clipped_steps += outcome.clipped ? 1 : 0;
    ++state_.batch;
    ++state_.step;
    has_gradient_ = true;
    const AverageOptions& average = options_.course.average;
    if (!average.on()) return;
    const models::Model& model = learner_->model();
    update_average(average, state_.step, model.parameters, state_.average_parameters);
    update_average(average, state_.step, model.buffers, state_.average_buffers);
  }

  void tell_of_batch(double rate) const {
    if (!hooks_.on_batch) return;
    BatchProgress now;
    now.epoch = state_.epoch + 1;
    now.epochs = options_.epochs;
    now.jets_done = state_.epoch_jets;
    now.jets = jets_of_epoch();
    now.step = state_.step;
    now.loss = state_.epoch_error / static_cast<double>(state_.epoch_jets);
    now.learning_rate = rate;
    now.seconds = state_.epoch_seconds;
    now.data_seconds = state_.epoch_data_seconds;
    now.earlier_jets = earlier_jets_;
    now.earlier_seconds = earlier_seconds_;
    hooks_.on_batch(now);
  }

  // The network with the averages of its weights and running statistics.
  models::Model average_model() const {
    models::Model model = learner_->model();
    model.parameters = state_.average_parameters;
    model.buffers = state_.average_buffers;
    return model;
  }

  Evaluation validate_model(const models::Model& model) {
    std::optional<Evaluation> validation =
        evaluate(model, *sources_.validation, state_.constant, hooks_.should_stop, group_);
    if (!validation) stop();
    if (!std::isfinite(validation->network.mean())) {
      fail(ErrorCode::InvalidArgument, "the validation loss is not finite after epoch ",
           state_.epoch + 1, " at learning rate ", learning_rate(1),
           ": lower the learning rate or standardise the features");
    }
    return *std::move(validation);
  }

  void validate_epoch() {
    const auto start = steady_clock::now();
    if (!options_.distributed.sync_norm) {
      learner_->share_buffers(group_);
      group_.broadcast(state_.average_buffers);
    }
    const AverageOptions& average = options_.course.average;
    const Evaluation raw = validate_model(learner_->model());
    EpochRecord record;
    record.validation_loss = raw.network.mean();
    models::Model candidate = learner_->model();
    if (average.on()) {
      models::Model averaged = average_model();
      record.raw_validation_loss = raw.network.mean();
      record.ema_validation_loss = validate_model(averaged).network.mean();
      if (average.keep_best) {
        record.validation_loss = record.ema_validation_loss;
        candidate = std::move(averaged);
      }
    }
    state_.validation = {raw.network.num_jets, raw.network.rejected_jets, raw.dropped_particles,
                         named_counts(raw.clipped, options_.model.inputs())};
    record.epoch = state_.epoch + 1;
    record.jets = state_.epoch_jets;
    record.train_loss = state_.epoch_error / static_cast<double>(state_.epoch_jets);
    record.learning_rate = learning_rate(1);
    record.clipped_steps = state_.epoch_clipped_steps;
    record.jets_per_second =
        static_cast<double>(state_.epoch_jets) / std::max(state_.epoch_seconds, 1e-9);
    record.seconds = state_.epoch_seconds + seconds_since(start);
    record.data_seconds = state_.epoch_data_seconds;
    record.data_cpu_seconds = state_.epoch_data_cpu_seconds;
    record.wall_time = now();
    state_.history.push_back(record);
    if (state_.best_epoch == 0 || record.validation_loss < state_.best_validation_loss) {
      state_.best_epoch = record.epoch;
      state_.best_validation_loss = record.validation_loss;
      state_.best_parameters = std::move(candidate.parameters);
      state_.best_buffers = std::move(candidate.buffers);
    }
    begin_epoch();
  }

  // Before the checkpoint: a kill in between repeats the epoch and writes the same again.
  void show_epoch(const RunFiles& files) {
    const EpochRecord& epoch = state_.history.back();
    const auto due = [&epoch](std::int64_t every) { return every > 0 && epoch.epoch % every == 0; };
    if (due(options_.histogram_epochs)) {
      files.write_histograms(epoch, learner_->model(),
                             has_gradient_ ? learner_->last_gradient() : std::span<const float>());
    }
    if (!due(options_.figure_epochs) || !hooks_.draw) return;
    const AverageOptions& average = options_.course.average;
    const bool averaged = average.on() && average.keep_best;
    JetResponses responses = find_responses(averaged ? average_model() : learner_->model(),
                                            *sources_.validation, kFigureJets);
    responses.epoch = epoch.epoch;
    files.write_figures(epoch, hooks_.draw(responses));
  }

  void begin_epoch() {
    ++state_.epoch;
    state_.batch = 0;
    state_.epoch_error = 0;
    state_.epoch_jets = 0;
    state_.epoch_seconds = 0;
    state_.epoch_data_seconds = 0;
    state_.epoch_data_cpu_seconds = 0;
    state_.epoch_clipped_steps = 0;
    earlier_jets_ = 0;
    earlier_seconds_ = 0;
  }

  // The network with the lowest validation loss, with where it came from.
  models::Model best_model() const {
    models::Model model = learner_->model();
    model.parameters = state_.best_parameters;
    model.buffers = state_.best_buffers;
    model.calibration = state_.calibration;
    if (!state_.result) return model;
    model.provenance = provenance_of(options_, state_.identity, *state_.result, sources_.origin);
    return model;
  }

  // Calibrates the best network and measures it; returns false when it was stopped.
  bool measure() {
    // One that was stopped may have left a calibration; the next is not derived on top of it.
    state_.calibration = {};
    const std::optional<models::Calibration> calibration = calibrate(
        best_model(), *sources_.validation, {.closure = options_.closure}, hooks_.should_stop);
    if (!calibration) return false;
    state_.calibration = *calibration;
    const std::optional<PredictedJets> jets =
        predict_all(best_model(), *sources_.test, hooks_.should_stop);
    if (!jets) return false;
    state_.performance = performance_json(*jets);
    return true;
  }

  void share_calibration() {
    if (group_.alone()) return;
    std::string bytes;
    if (group_.is_first()) bytes = encode(to_checkpoint(state_));
    group_.broadcast(bytes);
    if (!group_.is_first())
      state_.calibration = from_checkpoint(decode(bytes, checkpoint_path_)).calibration;
  }

  void test() {
    // What needs the predictions of all jets together is the first worker's.
    if (group_.any(group_.is_first() && !measure())) stop();
    share_calibration();
    const models::Model model = best_model();
    const std::optional<Evaluation> test =
        evaluate(model, *sources_.test, state_.constant, hooks_.should_stop, group_);
    if (!test) stop();
    TrainResult result;
    result.num_parameters = models::num_parameters(options_.model);
    result.train = state_.train;
    result.validation = state_.validation;
    result.test_jets = {test->network.num_jets, test->network.rejected_jets,
                        test->dropped_particles,
                        named_counts(test->clipped, options_.model.inputs())};
    result.constant = state_.constant;
    result.epochs = state_.history;
    result.best_epoch = state_.best_epoch;
    result.best_validation_loss = state_.best_validation_loss;
    result.test = {test->network.mean(), test->no_correction.mean(), test->constant.mean(), now()};
    result.fingerprint = models::fingerprint(model);
    result.stopped_early = state_.epoch < options_.epochs;
    state_.result = std::move(result);
  }

  const TrainOptions& options_;
  const JetSources& sources_;
  const TrainHooks& hooks_;
  const WorkerGroup group_;
  std::optional<detail::FolderLock> lock_;  // of the first worker
  fs::path checkpoint_path_;
  RunState state_;
  std::unique_ptr<Learner> learner_;
  steady_clock::time_point last_save_;
  std::int64_t steps_since_save_ = 0;
  std::int64_t earlier_jets_ = 0;  // of this epoch, done by an earlier process, in
  double earlier_seconds_ = 0;
  bool has_gradient_ = false;  // a step was made since the start
};

}  // namespace

TrainResult train(const TrainOptions& options, const JetSources& sources, const TrainHooks& hooks,
                  workers::Communicator* workers) {
  validate(options);
  try {
    return Run(options, sources, hooks, WorkerGroup(workers)).finish();
  } catch (const Error& error) {
    if (workers == nullptr) throw;
    workers->abort(error);
    if (error.code() != ErrorCode::Unavailable) throw;
    fail(ErrorCode::Unavailable, error.what(),
         "; the same command goes on from the last checkpoint");
  }
}

}  // namespace jetcal::train
