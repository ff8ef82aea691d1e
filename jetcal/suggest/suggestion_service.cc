// SPDX-License-Identifier: Apache-2.0
#include "jetcal/suggest/suggestion_service.h"

#include <malloc.h>

#include <chrono>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/suggest/detail/experiment_reader.h"
#include "jetcal/suggest/detail/message.h"

namespace jetcal::suggest {

namespace katib = api::v1::beta1;

namespace {

constexpr std::int32_t kMostSuggestions = 10000;  // of one request
constexpr std::int64_t kGridCheck = 2000;         // grids up to this are counted before they begin

[[noreturn]] void grid_is_used_up(std::int64_t trials) {
  fail(ErrorCode::FailedPrecondition, "the grid has no more than ", trials,
       " points; lower maxTrialCount or give the setting points");
}

hpo::Trial trial_of(const hpo::Proposal& proposal, std::int64_t number) {
  hpo::Trial trial;
  trial.number = number;
  trial.values = proposal.values;
  trial.budget = proposal.budget;
  trial.bracket = proposal.bracket;
  return trial;
}

// Puts a proposal into the history, as waiting; returns the number of its trial.
std::int64_t add_to(hpo::History& history, const hpo::Proposal& proposal, std::int64_t number) {
  if (!proposal.resume) {
    history.trials.push_back(trial_of(proposal, number));
    return number;
  }
  for (hpo::Trial& trial : history.trials) {
    if (trial.number != *proposal.resume) continue;
    trial.state = hpo::TrialState::Waiting;
    trial.budget = proposal.budget;
  }
  return *proposal.resume;
}

const hpo::Assignment& values_of(const hpo::History& history, std::int64_t number) {
  for (const hpo::Trial& trial : history.trials)
    if (trial.number == number) return trial.values;
  fail(ErrorCode::Internal, "the algorithm goes on with trial ", number, ", which is not there");
}

// Proposes `count` trials one after the other, each knowing those before it; returns how many that
// ended were left out.
std::int64_t propose(const detail::Search& search, detail::KnownTrials& known, std::int64_t first,
                     std::int32_t count, katib::GetSuggestionsReply& reply) {
  const std::unique_ptr<hpo::Algorithm> algorithm = search.make();
  std::int64_t left_out = 0;
  for (std::int32_t i = 0; i < count; ++i) {
    const auto proposal = algorithm->propose(known.history);
    left_out = algorithm->left_out();
    if (!proposal) grid_is_used_up(first + i);
    const auto& trials = known.history.trials;
    const std::int64_t next =
        trials.empty() ? first : std::max(first + i, trials.back().number + 1);
    const std::int64_t number = add_to(known.history, *proposal, next);
    auto& assignments = *reply.add_parameter_assignments();
    detail::write_assignments(search, values_of(known.history, number), proposal->budget,
                              *assignments.mutable_assignments());
    if (search.resource.empty()) continue;
    auto& labels = *assignments.mutable_labels();
    labels[detail::kTrialLabel] = std::to_string(number);
    labels[detail::kBracketLabel] = std::to_string(proposal->bracket);
    const auto last = known.last_names.find(number);
    if (proposal->resume && last != known.last_names.end())
      labels[detail::kResumesLabel] = last->second;
  }
  return left_out;
}

}  // namespace

std::string SuggestionService::get_suggestions(std::string_view bytes) const {
  const auto start = std::chrono::steady_clock::now();
  SuggestionLog log;
  detail::Search search;
  detail::KnownTrials known;
  std::int32_t count = 0;
  std::int64_t first = 0;
  {
    // The message is gone before the algorithm works: both need memory.
    const auto request = detail::parse<katib::GetSuggestionsRequest>(bytes);
    count = request.current_request_number();
    if (count < 0 || count > kMostSuggestions) {
      fail(ErrorCode::InvalidArgument, "current_request_number must be between 0 and ",
           kMostSuggestions, ", got ", count);
    }
    search = detail::read_search(request.experiment());
    first = std::max<std::int64_t>(request.total_request_number() - count, 0);
    // Where no number of a trial can tell this request from the one before, the seed does: there is
    // none, or numbers are the labels of trials that go on.
    if (first > 0 && (request.trials_size() == 0 || !search.resource.empty()))
      search.seed = mix64(search.seed, static_cast<std::uint64_t>(first));
    known = detail::read_trials(request.trials(), search, first);
    log.experiment = request.experiment().name();
    log.trials = request.trials_size();
  }
  first = std::max(first, static_cast<std::int64_t>(known.history.trials.size()));
  katib::GetSuggestionsReply reply;
  log.left_out = propose(search, known, first, count, reply);
  log.algorithm = search.algorithm;
  log.skipped = known.skipped;
  log.suggested = count;
  std::string answer = reply.SerializeAsString();
  known = {};
  malloc_trim(0);  // Katib limits the container, not the heap
  log.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (log_) log_(log);
  return answer;
}

std::string SuggestionService::validate_algorithm_settings(std::string_view bytes) const {
  const auto request = detail::parse<katib::ValidateAlgorithmSettingsRequest>(bytes);
  const detail::Search search = detail::read_search(request.experiment());
  const std::unique_ptr<hpo::Algorithm> algorithm = search.make();
  if (search.algorithm == "grid") {
    hpo::History history{search.objectives, {}};
    for (std::int64_t i = 0; i < std::min(search.max_trials, kGridCheck); ++i) {
      const auto proposal = algorithm->propose(history);
      if (!proposal) {
        fail(ErrorCode::InvalidArgument, "maxTrialCount is ", search.max_trials,
             ", but the grid has only ", i, " points");
      }
      history.trials.push_back(trial_of(*proposal, i));
    }
  }
  return katib::ValidateAlgorithmSettingsReply().SerializeAsString();
}

}  // namespace jetcal::suggest
