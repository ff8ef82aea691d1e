// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/batch_loader.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

void check_finite(const JetSource& source, std::span<const std::int64_t> rows,
                  const edm::FeatureBatch& batch) {
  for (std::size_t j = 0; j < rows.size(); ++j) {
    for (std::size_t f = 0; f < edm::kJetFeatureNames.size(); ++f) {
      const float value = batch.jets[j * edm::kJetFeatureNames.size() + f];
      if (!std::isfinite(value)) {
        fail(ErrorCode::InvalidArgument, "jet ", rows[j], " of the ", source.name(), " has ",
             edm::kJetFeatureNames[f], " = ", value);
      }
    }
    if (!std::isfinite(batch.target[j])) {
      fail(ErrorCode::InvalidArgument, "jet ", rows[j], " of the ", source.name(),
           " has the target log(pt_gen / pt_reco) = ", batch.target[j]);
    }
  }
}

}  // namespace

BatchLoader::BatchLoader(const JetSource& source, std::vector<std::int64_t> order,
                         std::int64_t batch_size, std::int64_t first_batch)
    : source_(source), order_(std::move(order)), batch_size_(batch_size), next_batch_(first_batch) {
  start();
}

BatchLoader::~BatchLoader() = default;  // the future waits for its thread

std::int64_t BatchLoader::num_batches() const noexcept {
  return (static_cast<std::int64_t>(order_.size()) + batch_size_ - 1) / batch_size_;
}

const edm::FeatureBatch* BatchLoader::next() {
  if (!upcoming_.valid()) return nullptr;
  edm::FeatureBatch made = upcoming_.get();
  std::swap(current_, made);
  upcoming_ = {};
  start();
  return &current_;
}

void BatchLoader::start() {
  if (next_batch_ >= num_batches()) return;
  const std::int64_t begin = next_batch_++ * batch_size_;
  const auto count = static_cast<std::size_t>(
      std::min(batch_size_, static_cast<std::int64_t>(order_.size()) - begin));
  const std::span<const std::int64_t> rows(order_.data() + begin, count);
  upcoming_ = std::async(std::launch::async, [&source = source_, rows] {
    edm::FeatureBatch batch;
    source.append_features(rows, batch);
    check_finite(source, rows, batch);
    return batch;
  });
}

std::vector<std::int64_t> storage_order(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return order;
}

}  // namespace jetcal::train
