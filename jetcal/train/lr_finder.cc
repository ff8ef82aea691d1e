// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/lr_finder.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/train/batch_loader.h"
#include "jetcal/train/first_pass.h"
#include "jetcal/train/run_setup.h"

namespace jetcal::train {
namespace {

constexpr double kKeep = 0.95;
constexpr double kDivergence = 5;
// Keeps the dropout of this test apart from that of a run.
constexpr std::uint64_t kFinderStream = 0x14F1;

models::Standardisation find_standardisation(const TrainOptions& options, const JetSource& source,
                                             const std::function<bool()>& should_stop) {
  if (const auto given = given_standardisation(options)) return *given;
  return pass_over_training_split(options, source, should_stop).standardisation;
}

bool is_likelihood(models::Head head) {
  return head == models::Head::Gaussian || head == models::Head::Laplace ||
         head == models::Head::Mixture;
}

// A negative log likelihood falls through zero, so its first value is a measure of its size too.
bool exploded(const LrFinderResult& result, models::Head head) {
  const double best = *std::min_element(result.smoothed.begin(), result.smoothed.end());
  const double size =
      is_likelihood(head) ? std::max(std::abs(best), std::abs(result.smoothed.front())) : best;
  return result.smoothed.back() - best > (kDivergence - 1) * size;
}

}  // namespace

LrFinderOptions parse_lr_finder(std::string_view text) {
  LrFinderOptions options;
  std::istringstream in{std::string(text)};
  char first = 0;
  char second = 0;
  in >> options.low >> first >> options.high >> second >> options.steps;
  constexpr std::int64_t kLeastSteps = 10;
  if (in.fail() || !(in >> std::ws).eof() || first != ',' || second != ',' ||
      !(options.low > 0 && options.low < options.high && std::isfinite(options.high)) ||
      options.steps < kLeastSteps) {
    fail(ErrorCode::InvalidArgument,
         "lr-finder: expected LOW,HIGH,STEPS with 0 < LOW < HIGH and at least ", kLeastSteps,
         " steps, e.g. 1e-6,1,100, got '", text, "'");
  }
  return options;
}

void judge(LrFinderResult& result) {
  if (result.rates.empty()) return;
  result.smoothed.clear();
  double average = 0;
  double kept = 1;
  for (const double loss : result.losses) {
    average = kKeep * average + (1 - kKeep) * loss;
    kept *= kKeep;
    result.smoothed.push_back(average / (1 - kept));
  }
  const auto lowest = static_cast<std::size_t>(
      std::min_element(result.smoothed.begin(), result.smoothed.end()) - result.smoothed.begin());
  result.lowest_rate = result.rates[lowest];
  // The average of the first losses is that of few jets, and so is the slope between neighbors.
  const std::size_t first = result.rates.size() / 10;
  const std::size_t reach = std::max<std::size_t>(1, result.rates.size() / 20);
  double steepest_slope = 0;
  result.steepest = 0;
  for (std::size_t i = first + reach; i + reach <= lowest; ++i) {
    const double slope = (result.smoothed[i + reach] - result.smoothed[i - reach]) /
                         std::log(result.rates[i + reach] / result.rates[i - reach]);
    if (slope >= steepest_slope) continue;
    steepest_slope = slope;
    result.steepest = result.rates[i];
  }
  result.suggestion = result.steepest > 0 ? result.steepest : result.lowest_rate / 10;
}

LrFinderResult find_learning_rate(const TrainOptions& options, const JetSources& sources,
                                  const LrFinderOptions& finder,
                                  const std::function<bool()>& should_stop,
                                  const NetworkPassFactory& pass) {
  const JetSource& source = *sources.train;
  const auto seed = static_cast<std::uint64_t>(options.seed);
  const std::unique_ptr<Learner> learner =
      make_learner(options, find_standardisation(options, source, should_stop), nullptr, pass);
  const double ratio =
      std::pow(finder.high / finder.low, 1 / static_cast<double>(finder.steps - 1));
  LrFinderResult result;
  std::unique_ptr<BatchLoader> loader;
  double rate = finder.low;
  for (std::int64_t step = 0, pass = 0; step < finder.steps; ++step, rate *= ratio) {
    if (should_stop && should_stop()) fail(ErrorCode::Cancelled, "stopped at step ", step + 1);
    const edm::FeatureBatch* batch = loader ? loader->next() : nullptr;
    if (batch == nullptr) {
      loader = std::make_unique<BatchLoader>(source, source.epoch_order(seed, pass++),
                                             options.batch_size);
      batch = loader->next();
    }
    const std::uint64_t dropout =
        mix64(mix64(seed, kFinderStream), static_cast<std::uint64_t>(step));
    const StepOutcome outcome = learner->step(*batch, dropout, rate);
    if (!outcome.finite()) {
      result.diverged = true;
      break;
    }
    result.rates.push_back(rate);
    result.losses.push_back(outcome.loss);
    judge(result);
    if (exploded(result, options.model.head)) {
      result.diverged = true;
      break;
    }
  }
  if (result.rates.empty())
    fail(ErrorCode::InvalidArgument, "the loss is not finite at the lowest learning rate already");
  return result;
}

nlohmann::ordered_json to_json(const LrFinderResult& result) {
  return {{"suggestion", result.suggestion},
          {"steepest", result.steepest},
          {"lowest_rate", result.lowest_rate},
          {"diverged", result.diverged},
          {"rates", result.rates},
          {"losses", result.losses},
          {"smoothed", result.smoothed}};
}

}  // namespace jetcal::train
