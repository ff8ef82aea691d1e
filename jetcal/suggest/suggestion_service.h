// SPDX-License-Identifier: Apache-2.0
// Katib's suggestion service: our search algorithms behind its messages.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace jetcal::suggest {

/// What one answer was made from, for logs and tests.
struct SuggestionLog {
  std::string experiment, algorithm;
  std::int64_t trials = 0;    ///< That the request told of.
  std::int64_t skipped = 0;   ///< Of these, with values that are none of the experiment's.
  std::int64_t left_out = 0;  ///< As hpo::Algorithm::left_out() says.
  std::int64_t suggested = 0;
  double seconds = 0;
};

/// Answers api.v1.beta1.Suggestion. Keeps nothing: an answer is a function of the request alone, so
/// any number of replicas, restarts and repeated calls do no harm. Running trials are taken into
/// account. Requests and replies are serialised protobuf messages.
///
/// Algorithms are those of hpo (also with the prefix "jetcal-", and "bayesianoptimization" for gp).
/// Settings are theirs; `random_state` or `seed` is the seed, else it follows from the experiment's
/// name. asha, hyperband and bohb need `resource_name`: the int parameter that says how far a trial
/// trains. A trial that goes on is a new one of Katib's with the same values and more resource; its
/// labels say which (see detail/experiment_reader.h).
///
/// Errors: InvalidArgument for bytes that are no such message, and naming parameter, field or
/// setting; FailedPrecondition when a grid is used up. Thread-safe.
class SuggestionService {
 public:
  using Log = std::function<void(const SuggestionLog&)>;
  explicit SuggestionService(Log log = {}) : log_(std::move(log)) {}

  /// GetSuggestionsRequest to GetSuggestionsReply, with exactly current_request_number assignments.
  std::string get_suggestions(std::string_view request) const;
  /// ValidateAlgorithmSettingsRequest to its reply, which is empty.
  std::string validate_algorithm_settings(std::string_view request) const;

 private:
  Log log_;
};

}  // namespace jetcal::suggest
