// SPDX-License-Identifier: Apache-2.0
#include "jetcal/edm/jet_columns.h"

namespace jetcal::edm {

JetView JetColumns::view() const noexcept {
  JetView view;
  view.num_jets = num_jets();
  view.offsets = offsets;
#define JETCAL_VIEW(type, name) view.name = name;
  JETCAL_JET_COLUMNS(JETCAL_VIEW)
  JETCAL_PARTICLE_COLUMNS(JETCAL_VIEW)
#undef JETCAL_VIEW
  return view;
}

void JetColumns::append(const JetView& from, std::int64_t row) {
  const auto at = static_cast<std::size_t>(row);
  const auto begin = static_cast<std::size_t>(from.offsets[at]);
  const auto count = static_cast<std::size_t>(from.offsets[at + 1]) - begin;
  offsets.push_back(offsets.back() + static_cast<std::int64_t>(count));
#define JETCAL_APPEND(type, name) name.push_back(from.name[at]);
  JETCAL_JET_COLUMNS(JETCAL_APPEND)
#undef JETCAL_APPEND
#define JETCAL_APPEND(type, name)                      \
  {                                                    \
    const auto rows = from.name.subspan(begin, count); \
    name.insert(name.end(), rows.begin(), rows.end()); \
  }
  JETCAL_PARTICLE_COLUMNS(JETCAL_APPEND)
#undef JETCAL_APPEND
}

}  // namespace jetcal::edm
