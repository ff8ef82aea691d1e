// SPDX-License-Identifier: Apache-2.0
// Features of jets that lie all over many views.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "jetcal/edm/features.h"
#include "jetcal/edm/jet_columns.h"

namespace jetcal::data::detail {

/// Row `row` of a view.
struct JetPlace {
  const edm::JetView* jets = nullptr;
  std::int64_t row = 0;
};

/// Fetches into the caches what append_features() will read of a jet first ...
void prefetch_jet(const JetPlace& place);
/// ... and then, when its offsets have arrived, its particles.
void prefetch_particles(const JetPlace& place, edm::InputMode mode);

/// Appends the features of `rows`; find(row) gives the place of each.
///
/// Rows in the order of an epoch lie all over the shards: every column of every jet is a miss of
/// the caches, unless the processor hears of the jet some jets before it is needed.
template <typename Find>
void gather_features(std::span<const std::int64_t> rows, edm::InputMode mode,
                     edm::FeatureBatch& out, const Find& find) {
  constexpr std::int64_t kAhead = 16;
  const std::int64_t count = std::ssize(rows);
  std::array<JetPlace, kAhead> places;
  for (std::int64_t i = 0; i < count + kAhead; ++i) {
    if (i >= kAhead) {
      const JetPlace& place = places[i % kAhead];
      edm::append_features(*place.jets, place.row, mode, out);
    }
    if (i < count) {
      places[i % kAhead] = find(rows[i]);
      prefetch_jet(places[i % kAhead]);
    }
    const std::int64_t half = i - kAhead / 2;
    if (half >= 0 && half < count) prefetch_particles(places[half % kAhead], mode);
  }
}

}  // namespace jetcal::data::detail
