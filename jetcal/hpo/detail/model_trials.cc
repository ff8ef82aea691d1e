// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/model_trials.h"

#include <algorithm>

namespace jetcal::hpo::detail {

ModelTrials model_trials(const View& view, std::size_t most) {
  std::vector<std::size_t> ended, known;
  for (std::size_t i = 0; i < view.standing.size(); ++i) {
    if (view.standing[i] == Standing::Known) known.push_back(i);
    if (view.standing[i] == Standing::Known || view.standing[i] == Standing::Failed)
      ended.push_back(i);
  }
  if (ended.size() <= most) return {ended, 0};
  std::vector<std::size_t> chosen = order_of(view.outcomes, std::move(known));
  chosen.resize(std::min(chosen.size(), most / 2));
  std::vector<char> taken(view.standing.size(), 0);
  for (const std::size_t i : chosen) taken[i] = 1;
  for (auto i = ended.rbegin(); i != ended.rend() && chosen.size() < most; ++i)
    if (taken[*i] == 0) chosen.push_back(*i);
  std::sort(chosen.begin(), chosen.end());
  return {chosen, static_cast<std::int64_t>(ended.size() - chosen.size())};
}

}  // namespace jetcal::hpo::detail
