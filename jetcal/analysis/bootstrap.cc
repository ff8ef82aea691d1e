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

// Rows of each cell by ascending response, one list per corrector.
using CellOrders = std::vector<std::vector<std::uint32_t>>;

std::size_t order_index(int cell, int corrector, int num_correctors) noexcept {
  return static_cast<std::size_t>(cell) * num_correctors + corrector;
}

CellOrders sort_cells(const ResponseSample& sample) {
  const std::vector<std::vector<std::uint32_t>> rows = cell_rows(sample);
  const int correctors = sample.num_correctors();
  CellOrders orders(static_cast<std::size_t>(kNumCells) * correctors);
  parallel_for(
      static_cast<std::int64_t>(orders.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const std::vector<double>& response = sample.response[i % correctors];
          orders[i] = rows[i / correctors];
          std::sort(orders[i].begin(), orders[i].end(),
                    [&](std::uint32_t a, std::uint32_t b) { return response[a] < response[b]; });
        }
      });
  return orders;
}

QuartileTable sample_quartiles(const ResponseSample& sample, const CellOrders& orders) {
  QuartileTable table(sample.num_correctors());
  std::vector<double> ascending;
  for (int cell = 0; cell < kNumCells; ++cell) {
    for (int k = 0; k < sample.num_correctors(); ++k) {
      ascending.clear();
      for (const std::uint32_t row : orders[order_index(cell, k, sample.num_correctors())]) {
        ascending.push_back(sample.response[k][row]);
      }
      table.at(cell, k) = quartiles(ascending);
    }
  }
  return table;
}

// Draws num_jets rows with replacement and counts how often each came.
void draw_counts(Rng& rng, std::vector<std::uint16_t>& counts) {
  std::fill(counts.begin(), counts.end(), std::uint16_t{0});
  for (std::size_t i = 0; i < counts.size(); ++i) {
    std::uint16_t& count = counts[rng.below(counts.size())];
    if (count < std::numeric_limits<std::uint16_t>::max()) ++count;
  }
}

void resample(const ResponseSample& sample, const CellOrders& orders,
              const std::vector<std::uint16_t>& counts, QuartileTable& table) {
  for (int cell = 0; cell < kNumCells; ++cell) {
    for (int k = 0; k < sample.num_correctors(); ++k) {
      table.at(cell, k) = resampled_quartiles(
          sample.response[k], orders[order_index(cell, k, sample.num_correctors())], counts);
    }
  }
}

}  // namespace

QuartileTable::QuartileTable(int num_correctors)
    : num_correctors_(num_correctors),
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
  const CellOrders orders = sort_cells(sample);
  BootstrappedQuartiles result{sample_quartiles(sample, orders), {}};
  result.resamplings.assign(options.resamplings, QuartileTable(sample.num_correctors()));
  std::mutex progress_mutex;
  std::int64_t done = 0;
  parallel_for(options.resamplings, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::uint16_t> counts(sample.num_jets());
    for (std::int64_t i = begin; i < end; ++i) {
      if (stop_requested()) fail(ErrorCode::Cancelled, "stopped during the bootstrap");
      Rng rng(mix64(options.seed, static_cast<std::uint64_t>(i)));
      draw_counts(rng, counts);
      resample(sample, orders, counts, result.resamplings[i]);
      const std::lock_guard<std::mutex> lock(progress_mutex);
      ++done;
      if (options.on_progress) options.on_progress(done);
    }
  });
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
