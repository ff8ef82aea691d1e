// SPDX-License-Identifier: Apache-2.0
#include "jetcal/edm/features.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "jetcal/base/error.h"

namespace jetcal::edm {

std::string_view input_mode_name(InputMode mode) noexcept {
  return mode == InputMode::Paper ? "paper" : "constituents";
}

InputMode parse_input_mode(std::string_view name) {
  if (name == "paper") return InputMode::Paper;
  if (name == "constituents") return InputMode::Constituents;
  fail(ErrorCode::InvalidArgument, "input mode: expected paper or constituents, got '", name, "'");
}

void FeatureBatch::clear() {
  offsets.assign(1, 0);
  points.clear();
  particles.clear();
  jets.clear();
  target.clear();
  dropped_particles = 0;
}

namespace {

// Lists the candidates of a jet that the mode asks for, in the order the network sees them.
std::vector<std::int64_t> select_particles(const JetView& jets, std::int64_t row, InputMode mode) {
  const std::int64_t begin = jets.offsets[row];
  const std::int64_t end = jets.offsets[row + 1];
  std::vector<std::int64_t> chosen;
  if (mode == InputMode::Paper) {
    chosen.resize(static_cast<std::size_t>(std::min(end - begin, kPaperMaxParticles)));
    std::iota(chosen.begin(), chosen.end(), begin);
    return chosen;
  }
  for (std::int64_t p = begin; p < end; ++p) {
    if (jets.pf_from_jet[p] == 1) chosen.push_back(p);
  }
  // NaN would break the order of the sort; it is dropped afterwards, so any fixed place will do.
  const auto sort_key = [&jets](std::int64_t p) {
    return std::isnan(jets.pf_pt[p]) ? -1.0F : jets.pf_pt[p];
  };
  std::stable_sort(chosen.begin(), chosen.end(), [&sort_key](std::int64_t a, std::int64_t b) {
    return sort_key(a) > sort_key(b);
  });
  return chosen;
}

}  // namespace

void append_features(const JetView& jets, std::int64_t row, InputMode mode, FeatureBatch& batch) {
  const float pt_reco = jets.pt_reco[row];
  std::int64_t kept = 0;
  for (const std::int64_t p : select_particles(jets, row, mode)) {
    const float pt = jets.pf_pt[p];
    const float d_eta = jets.pf_d_eta[p];
    const float d_phi = jets.pf_d_phi[p];
    if (!(pt > 0) || !std::isfinite(pt) || !std::isfinite(d_eta) || !std::isfinite(d_phi)) {
      ++batch.dropped_particles;
      continue;
    }
    ++kept;
    batch.points.insert(batch.points.end(), {d_eta, d_phi});
    batch.particles.insert(batch.particles.end(),
                           {std::log(pt), std::log(pt / pt_reco), d_eta, d_phi,
                            std::atan2(d_phi, d_eta), std::hypot(d_eta, d_phi)});
  }
  batch.offsets.push_back(batch.offsets.back() + kept);
  batch.jets.insert(batch.jets.end(), {std::log(pt_reco), jets.eta[row], jets.phi[row],
                                       jets.mass[row], jets.area[row], jets.qg_pt_d[row],
                                       jets.qg_axis2[row], static_cast<float>(jets.qg_mult[row])});
  const float pt_gen = jets.pt_gen[row];
  batch.target.push_back(pt_gen > 0 ? std::log(pt_gen / pt_reco) : 0.0F);
}

}  // namespace jetcal::edm
