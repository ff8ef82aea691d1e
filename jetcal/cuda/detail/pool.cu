// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/detail/element.h"
#include "jetcal/cuda/detail/launch.h"
#include "jetcal/cuda/detail/pool.h"
#include "jetcal/cuda/detail/rows.h"

namespace jetcal::cuda::detail {
namespace {

template <typename T>
struct PoolBody : OneStep {
  static constexpr const char* kName = "pool_jets";
  RowTiles tiles;
  const T* x;
  const std::int64_t* offsets;
  std::int64_t pitch;
  bool mean;
  float* y;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const RowPart part = tiles.part(place);
    for (std::int64_t jet = part.row; jet < part.last_row; jet += part.row_step) {
      Four sum{};
      for (std::int64_t p = offsets[jet]; p < offsets[jet + 1]; ++p) {
        const Four value = load4(x + p * tiles.channels + part.column);
        for (int c = 0; c < 4; ++c) sum.at[c] += value.at[c];
      }
      const std::int64_t rows = offsets[jet + 1] - offsets[jet];
      if (mean && rows > 0) {
        for (float& element : sum.at) element /= static_cast<float>(rows);
      }
      store4(y + jet * pitch + part.column, sum);
    }
  }
};

template <typename T>
struct SpreadBody : OneStep {
  static constexpr const char* kName = "spread_to_particles";
  RowTiles tiles;
  const float* grad_y;
  const std::int64_t* offsets;
  const std::int32_t* jet_of;
  std::int64_t pitch;
  bool mean;
  T* grad_x;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const RowPart part = tiles.part(place);
    for (std::int64_t row = part.row; row < part.last_row; row += part.row_step) {
      const std::int64_t jet = jet_of[row];
      Four grad = load4(grad_y + jet * pitch + part.column);
      if (mean) {
        const auto rows = static_cast<float>(offsets[jet + 1] - offsets[jet]);
        for (float& element : grad.at) element /= rows;
      }
      store4(grad_x + row * tiles.channels + part.column, grad);
    }
  }
};

struct ListParticlesBody : OneStep {
  static constexpr const char* kName = "list_particles";
  const std::int64_t* offsets;
  std::int32_t* jet_of;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const std::int64_t last = offsets[place.block + 1];
    for (std::int64_t p = offsets[place.block] + place.thread; p < last; p += kThreads) {
      jet_of[p] = static_cast<std::int32_t>(place.block);
    }
  }
};

struct PlaceBody : OneStep {
  static constexpr const char* kName = "place_features";
  const float* x;
  std::int64_t rows, channels;
  const float* mean;
  const float* deviation;
  std::int64_t filled, pitch;
  float* y;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const std::int64_t index = flat_index(place);
    const std::int64_t row = index / filled;
    const std::int64_t c = index % filled;
    if (row >= rows) return;
    float value = 0;
    if (c < channels) {
      value = x[row * channels + c];
      if (mean != nullptr) value = (value - mean[c]) / deviation[c];
    }
    y[row * pitch + c] = value;
  }
};

}  // namespace

template <typename T>
void pool_jets(Queue& queue, const T* x, const std::int64_t* offsets, std::int64_t num_jets,
               const Columns& columns, bool mean, float* y) {
  // A row is a jet with all its particles: few rows a block keep the device busy.
  RowTiles tiles = row_tiles(num_jets, columns.width);
  tiles.rows_per_block = tiles.rows_at_once();
  launch(queue, tiles.grid(), PoolBody<T>{{}, tiles, x, offsets, columns.pitch, mean, y});
}

template <typename T>
void spread_to_particles(Queue& queue, const float* grad_y, const std::int64_t* offsets,
                         const std::int32_t* jet_of, std::int64_t num_particles,
                         const Columns& columns, bool mean, T* grad_x) {
  const RowTiles tiles = row_tiles(num_particles, columns.width);
  launch(queue, tiles.grid(),
         SpreadBody<T>{{}, tiles, grad_y, offsets, jet_of, columns.pitch, mean, grad_x});
}

void list_particles(Queue& queue, const std::int64_t* offsets, std::int64_t num_jets,
                    std::int32_t* jet_of) {
  launch(queue, {num_jets, 1}, ListParticlesBody{{}, offsets, jet_of});
}

void place_features(Queue& queue, const float* x, std::int64_t rows, std::int64_t channels,
                    const float* mean, const float* deviation, std::int64_t filled,
                    std::int64_t pitch, float* y) {
  launch(queue, flat_grid(rows * filled),
         PlaceBody{{}, x, rows, channels, mean, deviation, filled, pitch, y});
}

#define JETCAL_INSTANTIATE(T)                                                                  \
  template void pool_jets(Queue&, const T*, const std::int64_t*, std::int64_t, const Columns&, \
                          bool, float*);                                                       \
  template void spread_to_particles(Queue&, const float*, const std::int64_t*,                 \
                                    const std::int32_t*, std::int64_t, const Columns&, bool, T*);
JETCAL_INSTANTIATE(float)
JETCAL_INSTANTIATE(Bf16)
#undef JETCAL_INSTANTIATE

}  // namespace jetcal::cuda::detail
