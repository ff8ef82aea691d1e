// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/detail/column_sums.h"
#include "jetcal/cuda/detail/edge.h"
#include "jetcal/cuda/detail/launch.h"
#include "jetcal/cuda/detail/norm_device.h"

namespace jetcal::cuda::detail {
namespace {

// What an edge's row is made of.
struct EdgeSum {
  const float* products;
  EdgeLists edges;
  std::int64_t channels;

  JETCAL_DEVICE Four at(std::int64_t edge, std::int64_t column) const {
    const std::int64_t i = edges.sources[edge];
    const std::int64_t j = edges.targets[edge];
    Four sum = load4(products + i * 2 * channels + column);
    const Four neighbor = load4(products + (j * 2 + 1) * channels + column);
    for (int c = 0; c < 4; ++c) sum.at[c] += neighbor.at[c];
    return sum;
  }
};

template <typename T>
struct AddMomentsBody {
  static constexpr const char* kName = "edge_add_moments";
  using Shared = ColumnShared;
  ColumnReduction reduction;
  EdgeSum sum;
  T* z;

  JETCAL_DEVICE std::int64_t steps(const Place& /*place*/) const { return ColumnReduction::kSteps; }
  JETCAL_DEVICE void step(std::int64_t step, const Place& place, Shared& shared) const {
    reduction.reduce(step, place, shared, [&](const RowPart& part, ColumnTotals& totals) {
      for (std::int64_t row = part.row; row < part.last_row; row += part.row_step) {
        T* const to = z + row * sum.channels + part.column;
        store4(to, sum.at(row, part.column));
        add_moments(load4(to), totals);  // of what was kept: bfloat16 has rounded it
      }
    });
  }
};

template <typename T>
struct AddReluBody : OneStep {
  static constexpr const char* kName = "edge_add_relu";
  RowTiles tiles;
  EdgeSum sum;
  const float* bias;
  T* z;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const RowPart part = tiles.part(place);
    if (part.row >= part.last_row) return;
    const Four shift = load4(bias + part.column);
    for (std::int64_t row = part.row; row < part.last_row; row += part.row_step) {
      Four value = sum.at(row, part.column);
      for (int c = 0; c < 4; ++c) value.at[c] = relu(value.at[c] + shift.at[c]);
      store4(z + row * sum.channels + part.column, value);
    }
  }
};

template <typename T>
struct AddBackwardBody : OneStep {
  static constexpr const char* kName = "edge_add_backward";
  RowTiles tiles;
  const T* grad_z;
  EdgeLists edges;
  float* grad_products;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const RowPart part = tiles.part(place);
    for (std::int64_t row = part.row; row < part.last_row; row += part.row_step) {
      Four center{};
      for (std::int64_t e = edges.edge_offsets[row]; e < edges.edge_offsets[row + 1]; ++e) {
        accumulate(e, part.column, center);
      }
      Four neighbor{};
      for (std::int64_t r = edges.reverse_offsets[row]; r < edges.reverse_offsets[row + 1]; ++r) {
        accumulate(edges.reverse_edges[r], part.column, neighbor);
      }
      float* const to = grad_products + row * 2 * tiles.channels + part.column;
      store4(to, center);
      store4(to + tiles.channels, neighbor);
    }
  }
  JETCAL_DEVICE void accumulate(std::int64_t edge, std::int64_t column, Four& sum) const {
    const Four value = load4(grad_z + edge * tiles.channels + column);
    for (int c = 0; c < 4; ++c) sum.at[c] += value.at[c];
  }
};

template <typename T>
struct MeanBody : OneStep {
  static constexpr const char* kName = "edge_mean";
  RowTiles tiles;
  const T* z;
  EdgeLists edges;
  NormArrays norm;
  const float* shortcut;
  NormArrays shortcut_norm;
  float* y;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const RowPart part = tiles.part(place);
    if (part.row >= part.last_row) return;
    const NormColumns columns = norm_columns(norm, part.column);
    for (std::int64_t row = part.row; row < part.last_row; row += part.row_step) {
      Four sum{};
      const std::int64_t first = edges.edge_offsets[row];
      const std::int64_t last = edges.edge_offsets[row + 1];
      for (std::int64_t e = first; e < last; ++e) {
        const Four value = normalised(load4(z + e * tiles.channels + part.column), columns);
        for (int c = 0; c < 4; ++c) sum.at[c] += relu(value.at[c]);
      }
      const std::int64_t at = row * tiles.channels + part.column;
      Four added = load4(shortcut + at);
      if (shortcut_norm.mean != nullptr) {
        added = normalised(added, norm_columns(shortcut_norm, part.column));
      }
      const float count = last > first ? static_cast<float>(last - first) : 1.0F;
      for (int c = 0; c < 4; ++c) sum.at[c] = relu(sum.at[c] / count + added.at[c]);
      store4(y + at, sum);
    }
  }
};

}  // namespace

template <typename T>
void edge_add_moments(Queue& queue, const float* products, const EdgeLists& edges,
                      std::int64_t channels, T* z, double* parts) {
  const RowTiles tiles = column_tiles(edges.num_edges, channels);
  launch(queue, tiles.grid(), AddMomentsBody<T>{{tiles, parts}, {products, edges, channels}, z});
}

template <typename T>
void edge_add_relu(Queue& queue, const float* products, const EdgeLists& edges,
                   std::int64_t channels, const float* bias, T* z) {
  const RowTiles tiles = row_tiles(edges.num_edges, channels);
  launch(queue, tiles.grid(), AddReluBody<T>{{}, tiles, {products, edges, channels}, bias, z});
}

template <typename T>
void edge_add_backward(Queue& queue, const T* grad_z, const EdgeLists& edges, std::int64_t channels,
                       float* grad_products) {
  // A row is a particle with all its edges: few rows a block keep the device busy.
  RowTiles tiles = row_tiles(edges.num_particles, channels);
  tiles.rows_per_block = tiles.rows_at_once();
  launch(queue, tiles.grid(), AddBackwardBody<T>{{}, tiles, grad_z, edges, grad_products});
}

template <typename T>
void edge_mean(Queue& queue, const T* z, const EdgeLists& edges, const NormArrays& norm,
               const float* shortcut, const NormArrays& shortcut_norm, float* y) {
  RowTiles tiles = row_tiles(edges.num_particles, norm.channels);
  tiles.rows_per_block = tiles.rows_at_once();
  launch(queue, tiles.grid(), MeanBody<T>{{}, tiles, z, edges, norm, shortcut, shortcut_norm, y});
}

#define JETCAL_INSTANTIATE(T)                                                                     \
  template void edge_add_moments(Queue&, const float*, const EdgeLists&, std::int64_t, T*,        \
                                 double*);                                                        \
  template void edge_add_relu(Queue&, const float*, const EdgeLists&, std::int64_t, const float*, \
                              T*);                                                                \
  template void edge_add_backward(Queue&, const T*, const EdgeLists&, std::int64_t, float*);      \
  template void edge_mean(Queue&, const T*, const EdgeLists&, const NormArrays&, const float*,    \
                          const NormArrays&, float*);
JETCAL_INSTANTIATE(float)
JETCAL_INSTANTIATE(Bf16)
#undef JETCAL_INSTANTIATE

}  // namespace jetcal::cuda::detail
