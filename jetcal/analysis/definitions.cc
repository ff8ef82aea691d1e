// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/definitions.h"

#include <array>

namespace jetcal::analysis {

std::span<const Definition> definitions() noexcept {
  static constexpr std::array<Definition, 16> kDefinitions{
      {{"response", "pt_corr / pt_gen"},
       {"quantile", "linear interpolation between order statistics (numpy's default)"},
       {"resolution", "(q75 - q25) / median of the response"},
       {"sae", "sum over u, d, s, c, b, g of |median - mean of the six medians|"},
       {"alpha", "1 - sae(model) / sae(baseline)"},
       {"beta", "1 - resolution(model) / resolution(baseline)"},
       {"residual",
        "difference of the median responses of two flavors; uds is u, d and s together"},
       {"loss", "mean of |log(pt_gen / pt_corr)| over used jets, 0 where |y| >= 1"},
       {"loss_gain", "1 - loss(model) / loss(baseline)"},
       {"y", "log(pt_gen / pt_reco), the target of the regression"},
       {"pileup slope",
        "straight line through the medians of the bins with enough jets, at the mean of the "
        "variable in each, weighted by the numbers of jets"},
       {"error", "standard deviation over bootstrap resamplings, the same for all correctors"},
       {"interval", "low <= pt_gen < high, GeV"},
       {"too_few_jets", "flag: fewer jets than min_jets; the number is not drawn"},
       {"too_few_flavored", "flag: a flavor has fewer jets than min_jets"},
       {"cut_biased",
        "flag: starts below 50 GeV in a sample with a threshold on pt_reco, which only jets "
        "measured too high pass"}}};
  return kDefinitions;
}

}  // namespace jetcal::analysis
