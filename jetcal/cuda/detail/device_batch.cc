// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/detail/device_batch.h"

#include <algorithm>
#include <cstring>

#include "jetcal/base/error.h"

namespace jetcal::cuda::detail {
namespace {

std::int64_t edges_of_jet(std::int64_t n, std::int64_t k) {
  return n > 0 ? n * std::min(k, n - 1) : 0;
}

void check_shapes(const edm::FeatureView& features) {
  if (features.offsets.empty()) {
    fail(ErrorCode::InvalidArgument, "batch: offsets must hold at least one value");
  }
  const auto jets = static_cast<std::size_t>(features.num_jets());
  const auto particles = static_cast<std::size_t>(features.num_particles());
  if (features.offsets.front() != 0 || !std::ranges::is_sorted(features.offsets)) {
    fail(ErrorCode::InvalidArgument, "batch: offsets must ascend from 0");
  }
  if (features.particles.size() != particles * edm::kNumParticleFeatures ||
      features.points.size() != particles * edm::kNumPointCoordinates ||
      features.jets.size() != jets * edm::kNumJetFeatures) {
    fail(ErrorCode::InvalidArgument, "batch: the arrays do not have the sizes of ", jets,
         " jets with ", particles, " particles");
  }
}

// Lays arrays one after the other, each as aligned as memory of the device is.
class Sections {
 public:
  template <typename T>
  std::int64_t add(std::int64_t size) {
    const std::int64_t place = bytes_;
    bytes_ += (size * static_cast<std::int64_t>(sizeof(T)) + 255) / 256 * 256;
    return place;
  }
  std::int64_t bytes() const noexcept { return bytes_; }

 private:
  std::int64_t bytes_ = 0;
};

void copy_rows(std::span<const float> from, std::int64_t begin, std::int64_t end,
               std::int64_t channels, unsigned char* to) {
  const std::size_t bytes = static_cast<std::size_t>((end - begin) * channels) * sizeof(float);
  if (bytes > 0) std::memcpy(to, from.data() + begin * channels, bytes);
}

}  // namespace

std::int64_t count_edges(std::span<const std::int64_t> offsets, std::int64_t begin,
                         std::int64_t end, std::int64_t k) noexcept {
  std::int64_t edges = 0;
  for (std::int64_t jet = begin; jet < end; ++jet) {
    edges += edges_of_jet(offsets[jet + 1] - offsets[jet], k);
  }
  return edges;
}

void BatchSlot::pack(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
                     std::span<const float> target, std::int64_t k) {
  check_shapes(features);
  const std::int64_t jets = end - begin;
  const std::int64_t first = features.offsets[begin];
  const std::int64_t last = features.offsets[end];
  const std::int64_t particles = last - first;
  const std::int64_t edges = count_edges(features.offsets, begin, end, k);
  if (!target.empty() && std::ssize(target) != features.num_jets()) {
    fail(ErrorCode::InvalidArgument, "batch: ", target.size(), " targets for ", features.num_jets(),
         " jets");
  }
  if (particles > INT32_MAX || edges > INT32_MAX) {
    fail(ErrorCode::InvalidArgument, "batch: ", particles, " particles with ", edges,
         " edges are more than a batch on the device may have, ", INT32_MAX);
  }
  Sections sections;
  const std::int64_t offsets_at = sections.add<std::int64_t>(jets + 1);
  const std::int64_t starts_at = sections.add<std::int64_t>(jets + 1);
  const std::int64_t points_at = sections.add<float>(particles * edm::kNumPointCoordinates);
  const std::int64_t particles_at = sections.add<float>(particles * edm::kNumParticleFeatures);
  const std::int64_t jets_at = sections.add<float>(jets * edm::kNumJetFeatures);
  const std::int64_t target_at = sections.add<float>(jets);
  bytes_ = sections.bytes();
  unsigned char* const host = host_.reserve(bytes_);
  unsigned char* const device = device_.reserve(bytes_);

  auto* const offsets = reinterpret_cast<std::int64_t*>(host + offsets_at);
  auto* const starts = reinterpret_cast<std::int64_t*>(host + starts_at);
  offsets[0] = 0;
  starts[0] = 0;
  for (std::int64_t jet = 0; jet < jets; ++jet) {
    offsets[jet + 1] = features.offsets[begin + jet + 1] - first;
    starts[jet + 1] = starts[jet] + edges_of_jet(offsets[jet + 1] - offsets[jet], k);
  }
  copy_rows(features.points, first, last, edm::kNumPointCoordinates, host + points_at);
  copy_rows(features.particles, first, last, edm::kNumParticleFeatures, host + particles_at);
  copy_rows(features.jets, begin, end, edm::kNumJetFeatures, host + jets_at);
  if (!target.empty()) copy_rows(target, begin, end, 1, host + target_at);

  const auto at = [device](std::int64_t place) { return device + place; };
  batch_ = {{jets, particles, edges, k, reinterpret_cast<const std::int64_t*>(at(offsets_at)),
             reinterpret_cast<const std::int64_t*>(at(starts_at))},
            reinterpret_cast<const float*>(at(points_at)),
            reinterpret_cast<const float*>(at(particles_at)),
            reinterpret_cast<const float*>(at(jets_at)),
            reinterpret_cast<const float*>(at(target_at))};
}

void BatchSlot::copy(Queue& queue) {
  queue.copy_to_device(device_.data(), host_.data(), static_cast<std::size_t>(bytes_));
}

}  // namespace jetcal::cuda::detail
