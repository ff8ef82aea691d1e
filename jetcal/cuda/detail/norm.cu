// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "jetcal/cuda/detail/column_sums.h"
#include "jetcal/cuda/detail/launch.h"
#include "jetcal/cuda/detail/norm.h"
#include "jetcal/cuda/detail/norm_device.h"

namespace jetcal::cuda::detail {
namespace {

constexpr double kEpsilon = 1e-5F;  // the floats of kernels::BatchNormOptions
constexpr double kMomentum = 0.1F;

template <typename T>
struct MomentsBody {
  static constexpr const char* kName = "norm_moments";
  using Shared = ColumnShared;
  ColumnReduction reduction;
  const T* z;

  JETCAL_DEVICE std::int64_t steps(const Place& /*place*/) const { return ColumnReduction::kSteps; }
  JETCAL_DEVICE void step(std::int64_t step, const Place& place, Shared& shared) const {
    reduction.reduce(step, place, shared, [&](const RowPart& part, ColumnTotals& totals) {
      for (std::int64_t row = part.row; row < part.last_row; row += part.row_step) {
        add_moments(load4(z + row * reduction.tiles.channels + part.column), totals);
      }
    });
  }
};

struct FinishBody {
  static constexpr const char* kName = "norm_finish";
  using Shared = PartsShared;
  PartsTotal total;
  std::int64_t rows;
  NormSource source;
  NormArrays norm;

  JETCAL_DEVICE std::int64_t steps(const Place& /*place*/) const { return 2; }
  JETCAL_DEVICE void step(std::int64_t step, const Place& place, Shared& shared) const {
    if (step == 0) {
      total.gather(place, shared);
      return;
    }
    if (!total.writes(place)) return;
    const std::int64_t c = total.column(place);
    const double count = static_cast<double>(rows > 0 ? rows : 1);
    const double mean = PartsTotal::total(0, place, shared) / count;
    double variance = PartsTotal::total(1, place, shared) / count - mean * mean;
    if (variance < 0) variance = 0;  // NaN stays
    const bool real = c < source.channels;
    const double inverse = 1 / sqrt(variance + kEpsilon);
    norm.mean[c] = static_cast<float>(mean);
    norm.inverse_deviation[c] = static_cast<float>(inverse);
    norm.scale[c] = real ? source.gamma[c] * static_cast<float>(inverse) : 0.0F;
    norm.shift[c] = real ? source.beta[c] : 0.0F;
    if (!real || rows == 0) return;
    source.running_mean[c] = moved(source.running_mean[c], mean);
    if (rows == 1) return;
    source.running_variance[c] = moved(source.running_variance[c], variance * count / (count - 1));
  }
  JETCAL_DEVICE static float moved(float running, double value) {
    return static_cast<float>((1 - kMomentum) * running + kMomentum * value);
  }
};

template <typename In, typename Out>
struct NormaliseBody : OneStep {
  static constexpr const char* kName = "normalise";
  RowTiles tiles;
  const In* z;
  NormArrays norm;
  bool with_relu;
  Out* y;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const RowPart part = tiles.part(place);
    if (part.row >= part.last_row) return;
    const NormColumns columns = norm_columns(norm, part.column);
    for (std::int64_t row = part.row; row < part.last_row; row += part.row_step) {
      const std::int64_t at = row * tiles.channels + part.column;
      Four value = normalised(load4(z + at), columns);
      if (with_relu) {
        for (float& element : value.at) element = relu(element);
      }
      store4(y + at, value);
    }
  }
};

template <typename T>
JETCAL_DEVICE Four gradient_of(const EdgeGradient<T>& gradient, std::int64_t row,
                               std::int64_t channels, std::int64_t column) {
  if (gradient.rows != nullptr) return load4(gradient.rows + row * channels + column);
  const std::int64_t particle = gradient.sources[row];
  Four value = load4(gradient.particles + particle * channels + column);
  const auto edges =
      static_cast<float>(gradient.edge_offsets[particle + 1] - gradient.edge_offsets[particle]);
  for (float& element : value.at) element /= edges;
  return value;
}

// Zeroes the gradient where relu's output, computed again from z, is zero.
JETCAL_DEVICE inline void pass_relu(const Four& z, const NormColumns& columns, bool with_relu,
                                    Four& gradient) {
  if (!with_relu) return;
  const Four y = normalised(z, columns);
  for (int c = 0; c < 4; ++c) {
    if (y.at[c] <= 0) gradient.at[c] = 0;
  }
}

template <typename T>
struct BackwardSumsBody {
  static constexpr const char* kName = "norm_backward_sums";
  using Shared = ColumnShared;
  ColumnReduction reduction;
  const T* z;
  EdgeGradient<T> gradient;
  NormArrays norm;
  bool with_relu;

  JETCAL_DEVICE std::int64_t steps(const Place& /*place*/) const { return ColumnReduction::kSteps; }
  JETCAL_DEVICE void step(std::int64_t step, const Place& place, Shared& shared) const {
    reduction.reduce(step, place, shared, [&](const RowPart& part, ColumnTotals& totals) {
      const std::int64_t channels = reduction.tiles.channels;
      if (part.row < part.last_row) {
        const NormColumns columns = norm_columns(norm, part.column);
        for (std::int64_t row = part.row; row < part.last_row; row += part.row_step) {
          const Four value = load4(z + row * channels + part.column);
          Four grad = gradient_of(gradient, row, channels, part.column);
          pass_relu(value, columns, with_relu, grad);
          for (int c = 0; c < 4; ++c) {
            totals.first[c] += grad.at[c];
            totals.second[c] += static_cast<double>(grad.at[c]) *
                                (static_cast<double>(value.at[c]) - columns.mean.at[c]);
          }
        }
      }
    });
  }
};

struct BackwardFinishBody {
  static constexpr const char* kName = "norm_backward_finish";
  using Shared = PartsShared;
  PartsTotal total;
  std::int64_t rows, real_channels;
  NormArrays norm;
  float* grad_gamma;
  float* grad_beta;

  JETCAL_DEVICE std::int64_t steps(const Place& /*place*/) const { return 2; }
  JETCAL_DEVICE void step(std::int64_t step, const Place& place, Shared& shared) const {
    if (step == 0) {
      total.gather(place, shared);
      return;
    }
    if (!total.writes(place)) return;
    const std::int64_t c = total.column(place);
    const double sum = PartsTotal::total(0, place, shared);
    const double weighted = PartsTotal::total(1, place, shared);
    const double inverse = norm.inverse_deviation[c];
    const double count = static_cast<double>(rows > 0 ? rows : 1);
    norm.offset[c] = static_cast<float>(norm.scale[c] * sum / count);
    norm.slope[c] = static_cast<float>(norm.scale[c] * weighted * inverse * inverse / count);
    if (c >= real_channels) return;
    grad_beta[c] = static_cast<float>(sum);
    grad_gamma[c] = static_cast<float>(weighted * inverse);
  }
};

template <typename T>
struct BackwardApplyBody : OneStep {
  static constexpr const char* kName = "norm_backward_apply";
  RowTiles tiles;
  const T* z;
  EdgeGradient<T> gradient;
  NormArrays norm;
  bool with_relu;
  T* grad_z;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const RowPart part = tiles.part(place);
    if (part.row >= part.last_row) return;
    const NormColumns columns = norm_columns(norm, part.column);
    const Four offset = load4(norm.offset + part.column);
    const Four slope = load4(norm.slope + part.column);
    for (std::int64_t row = part.row; row < part.last_row; row += part.row_step) {
      const std::int64_t at = row * tiles.channels + part.column;
      const Four value = load4(z + at);
      Four grad = gradient_of(gradient, row, tiles.channels, part.column);
      pass_relu(value, columns, with_relu, grad);
      for (int c = 0; c < 4; ++c) {
        const float centered = value.at[c] - columns.mean.at[c];
        grad.at[c] = columns.scale.at[c] * grad.at[c] - offset.at[c] - slope.at[c] * centered;
      }
      store4(grad_z + at, grad);
    }
  }
};

}  // namespace

template <typename T>
void norm_moments(Queue& queue, const T* z, std::int64_t rows, std::int64_t channels,
                  double* parts) {
  const RowTiles tiles = column_tiles(rows, channels);
  launch(queue, tiles.grid(), MomentsBody<T>{{tiles, parts}, z});
}

void norm_finish(Queue& queue, const double* parts, std::int64_t rows, const NormSource& source,
                 const NormArrays& norm) {
  const PartsTotal total{parts, column_tiles(rows, norm.channels).grid().blocks, norm.channels};
  launch(queue, total.grid(), FinishBody{total, rows, source, norm});
}

template <typename In, typename Out>
void normalise(Queue& queue, const In* z, std::int64_t rows, const NormArrays& norm, bool relu,
               Out* y) {
  const RowTiles tiles = row_tiles(rows, norm.channels);
  launch(queue, tiles.grid(), NormaliseBody<In, Out>{{}, tiles, z, norm, relu, y});
}

template <typename T>
void norm_backward_sums(Queue& queue, const T* z, const EdgeGradient<T>& gradient,
                        std::int64_t rows, const NormArrays& norm, bool relu, double* parts) {
  const RowTiles tiles = column_tiles(rows, norm.channels);
  launch(queue, tiles.grid(), BackwardSumsBody<T>{{tiles, parts}, z, gradient, norm, relu});
}

void norm_backward_finish(Queue& queue, const double* parts, std::int64_t rows,
                          std::int64_t real_channels, const NormArrays& norm, float* grad_gamma,
                          float* grad_beta) {
  const PartsTotal total{parts, column_tiles(rows, norm.channels).grid().blocks, norm.channels};
  launch(queue, total.grid(),
         BackwardFinishBody{total, rows, real_channels, norm, grad_gamma, grad_beta});
}

template <typename T>
void norm_backward_apply(Queue& queue, const T* z, const EdgeGradient<T>& gradient,
                         std::int64_t rows, const NormArrays& norm, bool relu, T* grad_z) {
  const RowTiles tiles = row_tiles(rows, norm.channels);
  launch(queue, tiles.grid(), BackwardApplyBody<T>{{}, tiles, z, gradient, norm, relu, grad_z});
}

#define JETCAL_INSTANTIATE(T)                                                               \
  template void norm_moments(Queue&, const T*, std::int64_t, std::int64_t, double*);        \
  template void normalise(Queue&, const T*, std::int64_t, const NormArrays&, bool, T*);     \
  template void norm_backward_sums(Queue&, const T*, const EdgeGradient<T>&, std::int64_t,  \
                                   const NormArrays&, bool, double*);                       \
  template void norm_backward_apply(Queue&, const T*, const EdgeGradient<T>&, std::int64_t, \
                                    const NormArrays&, bool, T*);
JETCAL_INSTANTIATE(float)
JETCAL_INSTANTIATE(Bf16)
#undef JETCAL_INSTANTIATE
template void normalise(Queue&, const float*, std::int64_t, const NormArrays&, bool, Bf16*);

}  // namespace jetcal::cuda::detail
