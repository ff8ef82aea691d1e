// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>

#include "jetcal/analysis/cells.h"
#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/base/stop.h"
#include "jetcal/base/threads.h"

namespace jetcal::analysis {

namespace {

// Rows of each cell, by ascending response of the corrector at hand.
using CellOrders = std::vector<std::vector<std::uint32_t>>;

void sort_cells(const std::vector<double>& response, CellOrders& orders) {
  parallel_for(kNumCells, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t cell = begin; cell < end; ++cell) {
      std::sort(orders[cell].begin(), orders[cell].end(),
                [&](std::uint32_t a, std::uint32_t b) { return response[a] < response[b]; });
    }
  });
}

// Returns what each jet adds to the loss of a corrector.
std::vector<double> loss_terms(const ResponseSample& sample, const std::vector<double>& response) {
  std::vector<double> terms(response.size());
  for (std::size_t jet = 0; jet < terms.size(); ++jet) {
    // y - y_hat = log(pt_gen / pt_reco) - log(pt_corr / pt_reco) = -log(response)
    if (std::abs(sample.target[jet]) < 1) terms[jet] = std::abs(std::log(response[jet]));
  }
  return terms;
}

// Draws num_jets rows with replacement and counts how often each came.
void draw_counts(Rng& rng, std::vector<std::uint16_t>& counts) {
  std::fill(counts.begin(), counts.end(), std::uint16_t{0});
  for (std::size_t i = 0; i < counts.size(); ++i) {
    std::uint16_t& count = counts[rng.below(counts.size())];
    if (count < std::numeric_limits<std::uint16_t>::max()) ++count;
  }
}

}  // namespace

QuartileTable::QuartileTable(int num_correctors)
    : num_correctors_(num_correctors),
      losses_(num_correctors),
      values_(static_cast<std::size_t>(kNumCells) * num_correctors) {}

Quartiles& QuartileTable::at(int cell, int corrector) noexcept {
  return values_[static_cast<std::size_t>(cell) * num_correctors_ + corrector];
}

const Quartiles& QuartileTable::at(int cell, int corrector) const noexcept {
  return values_[static_cast<std::size_t>(cell) * num_correctors_ + corrector];
}

BootstrappedQuartiles bootstrap(const ResponseSample& sample, const BootstrapOptions& options) {
  if (options.resamplings < 0)
    fail(ErrorCode::InvalidArgument,
         "the number of bootstrap resamplings must not be negative, got ", options.resamplings);
  CellOrders orders = cell_rows(sample);
  BootstrappedQuartiles result{QuartileTable(sample.num_correctors()), {}};
  result.resamplings.assign(options.resamplings, QuartileTable(sample.num_correctors()));
  std::mutex progress_mutex;
  std::int64_t done = 0;
  // Correctors one after the other, each with the same draws: one list of rows serves all.
  for (int k = 0; k < sample.num_correctors(); ++k) {
    const std::vector<double>& response = sample.response[k];
    const std::vector<double> terms = loss_terms(sample, response);
    const auto jets = static_cast<double>(sample.num_jets());
    result.sample.loss(k) = std::accumulate(terms.begin(), terms.end(), 0.0) / jets;
    sort_cells(response, orders);
    for (int cell = 0; cell < kNumCells; ++cell)
      result.sample.at(cell, k) = quartiles(response, orders[cell]);
    parallel_for(options.resamplings, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<std::uint16_t> counts(sample.num_jets());
      for (std::int64_t i = begin; i < end; ++i) {
        if (stop_requested()) fail(ErrorCode::Cancelled, "stopped during the bootstrap");
        Rng rng(mix64(options.seed, static_cast<std::uint64_t>(i)));
        draw_counts(rng, counts);
        for (int cell = 0; cell < kNumCells; ++cell) {
          result.resamplings[i].at(cell, k) = resampled_quartiles(response, orders[cell], counts);
        }
        result.resamplings[i].loss(k) =
            std::inner_product(terms.begin(), terms.end(), counts.begin(), 0.0) / jets;
        const std::lock_guard<std::mutex> lock(progress_mutex);
        ++done;
        if (options.on_progress) options.on_progress(done);
      }
    });
  }
  return result;
}

Estimate estimate(const BootstrappedQuartiles& quartiles,
                  const std::function<double(const QuartileTable&)>& number) {
  std::vector<double> values;
  values.reserve(quartiles.resamplings.size());
  for (const QuartileTable& table : quartiles.resamplings) {
    const double value = number(table);
    if (std::isfinite(value)) values.push_back(value);
  }
  Estimate result{number(quartiles.sample), std::numeric_limits<double>::quiet_NaN()};
  if (values.size() < 2) return result;
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  result.error = std::sqrt(squares / (count - 1));
  return result;
}

}  // namespace jetcal::analysis
