// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/random.h"
#include "jetcal/cuda/detail/column_sums.h"
#include "jetcal/cuda/detail/dense.h"
#include "jetcal/cuda/detail/launch.h"

namespace jetcal::cuda::detail {
namespace {

template <typename In, typename Out>
struct FinishLayerBody : OneStep {
  static constexpr const char* kName = "finish_layer";
  RowTiles tiles;
  const In* z;
  LayerEnd end;
  std::uint64_t threshold;  // a draw of 32 bits below it drops
  float kept_scale;
  Out* y;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const RowPart part = tiles.part(place);
    if (part.row >= part.last_row) return;
    Four bias{};
    for (int c = 0; c < 4; ++c) {
      if (end.bias != nullptr && part.column + c < end.real_channels) {
        bias.at[c] = end.bias[part.column + c];
      }
    }
    for (std::int64_t row = part.row; row < part.last_row; row += part.row_step) {
      const std::int64_t at = row * tiles.channels + part.column;
      Four value = load4(z + at);
      for (int c = 0; c < 4; ++c) {
        value.at[c] += bias.at[c];
        if (end.with_relu) value.at[c] = relu(value.at[c]);
        if (end.dropout > 0) value.at[c] = drop(value.at[c], row, part.column + c);
      }
      store4(y + at, value);
    }
  }
  JETCAL_DEVICE float drop(float value, std::int64_t row, std::int64_t column) const {
    if (column >= end.real_channels) return 0;
    const auto element = static_cast<std::uint64_t>(row * end.real_channels + column);
    return (mix64(end.seed, element) >> 32U) < threshold ? 0.0F : value * kept_scale;
  }
};

template <typename Act, typename In, typename Out>
struct FinishLayerBackwardBody {
  static constexpr const char* kName = "finish_layer_backward";
  using Shared = ColumnShared;
  ColumnReduction reduction;
  const Act* y;
  const In* grad_y;
  bool with_relu;
  float kept_scale;
  Out* grad_z;

  JETCAL_DEVICE std::int64_t steps(const Place& /*place*/) const { return ColumnReduction::kSteps; }
  JETCAL_DEVICE void step(std::int64_t step, const Place& place, Shared& shared) const {
    reduction.reduce(step, place, shared, [&](const RowPart& part, ColumnTotals& totals) {
      for (std::int64_t row = part.row; row < part.last_row; row += part.row_step) {
        const std::int64_t at = row * reduction.tiles.channels + part.column;
        Four grad = load4(grad_y + at);
        if (with_relu) {
          const Four value = load4(y + at);
          for (int c = 0; c < 4; ++c) {
            grad.at[c] = value.at[c] <= 0 ? 0.0F : grad.at[c] * kept_scale;
          }
        }
        store4(grad_z + at, grad);
        const Four kept = load4(grad_z + at);
        for (int c = 0; c < 4; ++c) totals.first[c] += kept.at[c];
      }
    });
  }
};

struct BiasGradientBody {
  static constexpr const char* kName = "bias_gradient";
  using Shared = PartsShared;
  PartsTotal total;
  std::int64_t real_channels;
  float* grad_bias;

  JETCAL_DEVICE std::int64_t steps(const Place& /*place*/) const { return 2; }
  JETCAL_DEVICE void step(std::int64_t step, const Place& place, Shared& shared) const {
    if (step == 0) {
      total.gather(place, shared);
    } else if (total.writes(place) && total.column(place) < real_channels) {
      grad_bias[total.column(place)] = static_cast<float>(PartsTotal::total(0, place, shared));
    }
  }
};

float kept_scale_of(const LayerEnd& end) { return end.dropout > 0 ? 1 / (1 - end.dropout) : 1; }

}  // namespace

template <typename In, typename Out>
void finish_layer(Queue& queue, const In* z, std::int64_t rows, const LayerEnd& end, Out* y) {
  const RowTiles tiles = row_tiles(rows, end.channels);
  const auto threshold = static_cast<std::uint64_t>(static_cast<double>(end.dropout) * 0x1.0p32);
  launch(queue, tiles.grid(),
         FinishLayerBody<In, Out>{{}, tiles, z, end, threshold, kept_scale_of(end), y});
}

template <typename Act, typename In, typename Out>
void finish_layer_backward(Queue& queue, const Act* y, const In* grad_y, std::int64_t rows,
                           const LayerEnd& end, Out* grad_z, double* parts) {
  const RowTiles tiles = column_tiles(rows, end.channels);
  launch(queue, tiles.grid(),
         FinishLayerBackwardBody<Act, In, Out>{
             {tiles, parts}, y, grad_y, end.with_relu, kept_scale_of(end), grad_z});
}

void bias_gradient(Queue& queue, const double* parts, std::int64_t rows, const LayerEnd& end,
                   float* grad_bias) {
  const PartsTotal total{parts, column_tiles(rows, end.channels).grid().blocks, end.channels};
  launch(queue, total.grid(), BiasGradientBody{total, end.real_channels, grad_bias});
}

template void finish_layer(Queue&, const float*, std::int64_t, const LayerEnd&, float*);
template void finish_layer(Queue&, const float*, std::int64_t, const LayerEnd&, Bf16*);
template void finish_layer(Queue&, const Bf16*, std::int64_t, const LayerEnd&, Bf16*);

#define JETCAL_INSTANTIATE(Act, In, Out)                                           \
  template void finish_layer_backward(Queue&, const Act*, const In*, std::int64_t, \
                                      const LayerEnd&, Out*, double*);
JETCAL_INSTANTIATE(float, float, float)
JETCAL_INSTANTIATE(Bf16, float, float)
JETCAL_INSTANTIATE(Bf16, float, Bf16)
JETCAL_INSTANTIATE(Bf16, Bf16, float)
JETCAL_INSTANTIATE(Bf16, Bf16, Bf16)
#undef JETCAL_INSTANTIATE

}  // namespace jetcal::cuda::detail
