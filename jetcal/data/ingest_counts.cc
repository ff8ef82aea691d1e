// SPDX-License-Identifier: Apache-2.0
#include <numeric>

#include "jetcal/base/error.h"
#include "jetcal/data/ingest.h"

namespace jetcal::data {

IngestCounts& IngestCounts::operator+=(const IngestCounts& other) noexcept {
  read += other.read;
  selected += other.selected;
  not_finite += other.not_finite;
  unmatched += other.unmatched;
  rejected_reco_pt += other.rejected_reco_pt;
  rejected_reco_eta += other.rejected_reco_eta;
  rejected_gen_pt += other.rejected_gen_pt;
  rejected_gen_eta += other.rejected_gen_eta;
  selection_not_finite += other.selection_not_finite;
  rejected_selection += other.rejected_selection;
  rejected_split_selection += other.rejected_split_selection;
  weight_not_finite += other.weight_not_finite;
  not_in_fraction += other.not_in_fraction;
  selected_unmatched += other.selected_unmatched;
  for (std::size_t i = 0; i < selected_by_split.size(); ++i)
    selected_by_split[i] += other.selected_by_split[i];
  for (std::size_t i = 0; i < weight_by_split.size(); ++i)
    weight_by_split[i] += other.weight_by_split[i];
  observers_not_finite += other.observers_not_finite;
  particles_read += other.particles_read;
  particles_selected += other.particles_selected;
  particles_unusable += other.particles_unusable;
  skipped_links += other.skipped_links;
  unstored_gen_jets += other.unstored_gen_jets;
  return *this;
}

void IngestCounts::check() const {
  const std::int64_t placed = selected + not_finite + unmatched + rejected_reco_pt +
                              rejected_reco_eta + rejected_gen_pt + rejected_gen_eta +
                              selection_not_finite + rejected_selection + rejected_split_selection +
                              weight_not_finite + not_in_fraction;
  const std::int64_t split =
      std::accumulate(selected_by_split.begin(), selected_by_split.end(), std::int64_t{0});
  if (placed != read || split != selected) {
    fail(ErrorCode::Internal, "the rows do not add up: ", read, " read, ", placed, " placed, ",
         selected, " selected, ", split, " split");
  }
}

}  // namespace jetcal::data
