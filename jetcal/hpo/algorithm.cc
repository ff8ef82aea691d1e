// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/algorithm.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/hpo/detail/rungs.h"
#include "jetcal/hpo/detail/sampler.h"

namespace jetcal::hpo {

using detail::Rungs;
using detail::Sampler;
using detail::SettingReader;
using detail::Setup;

namespace {

// What samplers share: the encoding and what is known of the trials.
class Search {
 public:
  Search(const std::string& sampler, const Setup& setup)
      : objectives_(setup.objectives),
        encoding_(setup.space),
        points_(encoding_),
        sampler_(detail::make_sampler(sampler, setup, encoding_)) {}
  Search(const Search&) = delete;  // its parts refer to each other
  Search& operator=(const Search&) = delete;

  // With a budget, the sampler sees the trials as they stood there.
  std::optional<Assignment> next(const History& history, std::int64_t budget = 0) {
    points_.update(history.trials);
    reading_.update(history, objectives_, budget);
    const std::optional<Point> point = sampler_->sample({.trials = history.trials,
                                                         .points = points_,
                                                         .standing = reading_.standing(),
                                                         .outcomes = reading_.outcomes(),
                                                         .number = next_number(history)});
    if (!point) return std::nullopt;
    return encoding_.decode(*point);
  }
  std::int64_t left_out() const { return sampler_->left_out(); }

 private:
  std::vector<Objective> objectives_;
  Encoding encoding_;
  PointTable points_;
  detail::Reading reading_;
  std::unique_ptr<Sampler> sampler_;
};

// Every trial runs to its end.
class FullTrials final : public Algorithm {
 public:
  FullTrials(const std::string& sampler, const Setup& setup) : search_(sampler, setup) {}
  std::optional<Proposal> propose(const History& history) override {
    std::optional<Assignment> values = search_.next(history);
    if (!values) return std::nullopt;
    Proposal proposal;
    proposal.values = std::move(*values);
    return proposal;
  }
  std::int64_t left_out() const override { return search_.left_out(); }

 private:
  Search search_;
};

// Successive halving in one bracket (ASHA) or in several (Hyperband, and BOHB with TPE).
class Halving final : public Algorithm {
 public:
  Halving(const std::string& sampler, const Setup& setup, bool all_brackets)
      : search_(sampler, setup), random_("random", setup), seed_(setup.seed) {
    const SettingReader& settings = setup.settings;
    const std::int64_t highest = settings.integer("max_resource", 1, 1'000'000'000);
    const std::int64_t lowest = settings.integer("min_resource", 1, highest);
    const double eta = settings.number("eta", 1.5, 100);
    budgets_ = detail::rung_budgets(lowest, highest, eta);
    const std::size_t count = brackets_of(settings, all_brackets);
    for (std::size_t bracket = 0; bracket < count; ++bracket) {
      brackets_.emplace_back(budgets_, eta, bracket);
      // Hyperband gives each bracket about the same work (Li et al. 2018, algorithm 1).
      const auto rungs = static_cast<double>(budgets_.size() - bracket);
      shares_.push_back(
          std::ceil(static_cast<double>(budgets_.size()) / rungs * std::pow(eta, rungs - 1)));
    }
    if (sampler == "tpe") {
      model_trials_ = settings.integer("start_trials", 1, 1'000'000);
      random_share_ = settings.number("random_share", 0, 1);
    }
  }

  std::optional<Proposal> propose(const History& history) override {
    for (std::size_t bracket = 0; bracket < brackets_.size(); ++bracket) {
      const auto promotion =
          brackets_[bracket].promotion(history, static_cast<std::int64_t>(bracket));
      if (!promotion) continue;
      Proposal proposal;
      proposal.resume = promotion->number;
      proposal.budget = promotion->budget;
      proposal.last = promotion->last;
      proposal.bracket = static_cast<std::int64_t>(bracket);
      return proposal;
    }
    std::optional<Assignment> values = next(history);
    if (!values) return std::nullopt;
    const std::size_t bracket = neediest(history);
    Proposal proposal;
    proposal.values = std::move(*values);
    proposal.budget = brackets_[bracket].first_budget();
    proposal.last = brackets_[bracket].first_is_last();
    proposal.bracket = static_cast<std::int64_t>(bracket);
    return proposal;
  }

 private:
  std::size_t brackets_of(const SettingReader& settings, bool all_brackets) const {
    if (!all_brackets) return 1;
    const auto wanted = static_cast<std::size_t>(settings.integer("brackets", 0, 1'000));
    return wanted == 0 ? budgets_.size() : std::min(wanted, budgets_.size());
  }

  // Losses at low budgets favour those who start fast, so not all trials are left to the model
  // (Falkner et al. 2018).
  std::optional<Assignment> next(const History& history) {
    constexpr std::uint64_t kStream = 0x626f6862;  // apart from that of the samplers
    Rng rng(mix64(mix64(seed_, kStream), static_cast<std::uint64_t>(next_number(history))));
    if (rng.uniform() < random_share_) return random_.next(history);
    return search_.next(history, model_budget(history));
  }

  // The highest budget that enough trials have reached for a model: losses at different budgets
  // cannot be compared (Falkner et al. 2018).
  std::int64_t model_budget(const History& history) const {
    if (model_trials_ == 0) return 0;
    for (std::size_t rung = budgets_.size(); rung-- > 1;) {
      const auto known =
          std::count_if(history.trials.begin(), history.trials.end(), [&](const Trial& trial) {
            return Rungs::at_budget(trial, budgets_[rung], history.objectives).has_value();
          });
      if (known >= model_trials_) return budgets_[rung];
    }
    return budgets_.front();
  }

  // The bracket that lags most behind its share of new trials.
  std::size_t neediest(const History& history) const {
    std::vector<double> counts(brackets_.size(), 0);
    for (const Trial& trial : history.trials)
      if (trial.bracket >= 0 && static_cast<std::size_t>(trial.bracket) < counts.size())
        counts[static_cast<std::size_t>(trial.bracket)] += 1;
    std::size_t best = 0;
    for (std::size_t i = 1; i < counts.size(); ++i)
      if ((counts[i] + 1) / shares_[i] < (counts[best] + 1) / shares_[best]) best = i;
    return best;
  }

  Search search_, random_;
  std::uint64_t seed_;
  std::vector<std::int64_t> budgets_;
  std::int64_t model_trials_ = 0;  // 0: the sampler has no model
  double random_share_ = 0;
  std::vector<Rungs> brackets_;
  std::vector<double> shares_;
};

struct Entry {
  std::string name;
  std::vector<SettingInfo> settings;
  std::function<std::unique_ptr<Algorithm>(const Setup&)> make;
};

Entry full(const std::string& name, std::vector<SettingInfo> settings) {
  return {name, std::move(settings), [name](const Setup& setup) -> std::unique_ptr<Algorithm> {
            return std::make_unique<FullTrials>(name, setup);
          }};
}

Entry halving(const std::string& name, const std::string& sampler,
              std::vector<SettingInfo> settings) {
  settings.insert(
      settings.begin(),
      {{"min_resource", "1", "resource (epochs) of the first rung"},
       {"max_resource", "50", "resource of the last rung, after which a trial is complete"},
       {"eta", "3", "one of so many trials goes on from a rung to the next"}});
  if (name != "asha")
    settings.push_back({"brackets", name == "bohb" ? "1" : "0",
                        "so many brackets, the one that starts lowest first; 0: all"});
  if (sampler == "tpe")
    settings.push_back(
        {"random_share", "0.333", "share of the trials that the model does not choose"});
  return {name, std::move(settings),
          [name, sampler](const Setup& setup) -> std::unique_ptr<Algorithm> {
            return std::make_unique<Halving>(sampler, setup, name != "asha");
          }};
}

std::vector<SettingInfo> tpe_settings() {
  return {{"start_trials", "10", "random trials before the model is used"},
          {"candidates", "24", "points drawn for one proposal"},
          {"gamma", "0.1", "share of the trials that count as good"},
          {"good_trials", "25", "at most so many count as good"},
          {"width", "2", "of the kernels of good trials, relative to Scott's rule"},
          {"bad_width", "2", "of the kernels of bad trials"},
          {"prior", "1", "weight of the uniform prior, in trials"}};
}

std::vector<SettingInfo> gp_settings() {
  return {{"start_trials", "10", "random trials before the model is used"},
          {"candidates", "300", "points at which the acquisition is computed for one proposal"},
          {"climbs", "4", "of them the best so many are starts of a climb"},
          {"fit_steps", "10", "steps of the fit of the kernel"},
          {"bend", "true", "bend losses towards a normal distribution, else only scale them"}};
}

const std::vector<Entry>& entries() {
  static const std::vector<Entry> list{
      full("grid", {{"points", "5", "values of a parameter that is no list of choices"}}),
      full("random", {}),
      full("sobol", {{"scramble", "true", "false: the plain sequence, the same for every seed"}}),
      full("tpe", tpe_settings()),
      full("gp", gp_settings()),
      full("cmaes", {{"population", "0", "trials of a generation; 0: 4 + 3 log(parameters)"}}),
      halving("asha", "random", {}),
      halving("hyperband", "random", {}),
      halving("bohb", "tpe", tpe_settings()),
  };
  return list;
}

const Entry& entry_of(const std::string& name) {
  std::string names;
  for (const Entry& entry : entries()) {
    if (entry.name == name) return entry;
    names += (names.empty() ? "" : ", ") + entry.name;
  }
  fail(ErrorCode::NotFound, "there is no search algorithm '", name, "'; there are ", names);
}

}  // namespace

std::unique_ptr<Sampler> detail::make_sampler(const std::string& name, const Setup& setup,
                                              const Encoding& encoding) {
  if (name == "random") return make_random(setup, encoding);
  if (name == "sobol") return make_sobol(setup, encoding);
  if (name == "grid") return make_grid(setup, encoding);
  if (name == "tpe") return make_tpe(setup, encoding);
  if (name == "gp") return make_gp(setup, encoding);
  if (name == "cmaes") return make_cmaes(setup, encoding);
  fail(ErrorCode::Internal, "there is no sampler '", name, "'");
}

bool Algorithm::should_stop(const History& /*history*/, const Trial& /*trial*/) const {
  return false;
}

std::vector<std::string> algorithm_names() {
  std::vector<std::string> names;
  for (const Entry& entry : entries()) names.push_back(entry.name);
  return names;
}

std::vector<SettingInfo> algorithm_settings(const std::string& name) {
  return entry_of(name).settings;
}

std::unique_ptr<Algorithm> make_algorithm(const std::string& name, const Settings& settings,
                                          const SearchSpace& space,
                                          const std::vector<Objective>& objectives,
                                          std::uint64_t seed) {
  const Entry& entry = entry_of(name);
  if (objectives.empty() || objectives.size() > 2)
    fail(ErrorCode::InvalidArgument, "a search has one or two objectives, not ", objectives.size());
  const SettingReader reader("the algorithm '" + name + "'", entry.settings, settings);
  return entry.make({.settings = reader, .space = space, .objectives = objectives, .seed = seed});
}

}  // namespace jetcal::hpo
