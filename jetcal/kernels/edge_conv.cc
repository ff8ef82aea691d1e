// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/edge_conv.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/detail/column_statistics.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/edge_conv_kernels.h"
#include "jetcal/kernels/detail/packed_product.h"

namespace jetcal::kernels {
namespace {

using detail::EdgeRange;

// A tile's activations take about this much of the second-level cache; three of them, the weights
// and their gradient share it.
constexpr std::int64_t kTileFloats = 12288;
// Chunks are what threads share; each keeps a weight gradient of its own. Their number is bounded,
// so that adding them up costs little.
constexpr std::int64_t kMinChunkEdges = 2048;
constexpr std::int64_t kMaxChunks = 64;

struct Variant {
  const detail::EdgeConvKernels& edge;
  const detail::GemmKernels& gemm;
};

Variant variant() {
  const Isa isa = kernel_isa();
  return {detail::pick(isa, detail::kEdgeConvRef, detail::kEdgeConvAvx2, detail::kEdgeConvAvx512),
          detail::gemm_kernels(isa)};
}

// Cuts the jets into chunks of about the same number of edges.
std::vector<std::int64_t> cut_chunks(const Edges& edges, std::span<const std::int64_t> offsets) {
  const std::int64_t size = std::max(kMinChunkEdges, edges.num_edges() / kMaxChunks);
  std::vector<std::int64_t> chunks{0};
  for (const std::int64_t particle : offsets) {
    if (edges.offsets[particle] - edges.offsets[chunks.back()] >= size) chunks.push_back(particle);
  }
  if (chunks.back() != offsets.back()) chunks.push_back(offsets.back());
  return chunks;
}

// Rounds up to whole vectors; rows a multiple of 64 floats apart would share few sets of the
// nearest cache.
std::int64_t padded_stride(std::int64_t channels) {
  const std::int64_t vector = std::max<std::int64_t>(8, variant().gemm.vector_columns);
  const std::int64_t stride = (channels + vector - 1) / vector * vector;
  return stride % 64 == 0 ? stride + vector : stride;
}

std::int64_t tile_rows(std::int64_t stride) {
  return std::max<std::int64_t>(1, kTileFloats / stride);
}

// Calls body(range of a tile) for tiles of whole particles that cover the chunk's edges, at most
// `max_rows` edges (or one particle's) and as many particles.
template <typename Body>
void for_tiles(const Edges& edges, std::int64_t begin, std::int64_t end, std::int64_t max_rows,
               Body body) {
  while (begin < end) {
    std::int64_t last = begin + 1;
    while (last < end && last - begin < max_rows &&
           edges.offsets[last + 1] - edges.offsets[begin] <= max_rows) {
      ++last;
    }
    body(EdgeRange{edges.offsets.data(), edges.targets.data(), begin, last});
    begin = last;
  }
}

std::int64_t rows_of(const EdgeRange& range) {
  return range.offsets[range.end] - range.offsets[range.begin];
}

// No tile is longer: a particle's edges may exceed the usual bound.
std::int64_t longest_tile(const Edges& edges, std::int64_t stride) {
  std::int64_t longest = tile_rows(stride);
  for (std::int64_t i = 0; i < edges.num_particles(); ++i) {
    longest = std::max(longest, edges.offsets[i + 1] - edges.offsets[i]);
  }
  return longest;
}

// Cuts one thread's work space into tiles.
struct Tiles {
  float* storage;
  std::int64_t floats;
  float* operator[](std::int64_t i) const { return storage + i * floats; }
};

// Two sums per column and chunk, added up in the order of the chunks.
class ChunkSums {
 public:
  ChunkSums(std::int64_t chunks, std::int64_t stride)
      : stride_(stride), sums_(static_cast<std::size_t>(2 * chunks * stride)) {}
  double* first(std::int64_t chunk) { return sums_.data() + 2 * chunk * stride_; }
  double* second(std::int64_t chunk) { return first(chunk) + stride_; }
  std::pair<double, double> total(std::int64_t column) const {
    std::pair<double, double> total;
    for (std::size_t at = 0; at < sums_.size(); at += static_cast<std::size_t>(2 * stride_)) {
      total.first += sums_[at + column];
      total.second += sums_[at + stride_ + column];
    }
    return total;
  }

 private:
  std::int64_t stride_;
  std::vector<double> sums_;
};

std::vector<float> pack(const detail::GemmKernels& gemm, bool transpose, std::int64_t channels,
                        std::span<const float> weight) {
  std::vector<float> packed(
      static_cast<std::size_t>(detail::packed_size(gemm, channels, channels)));
  detail::pack_tile_b(gemm, transpose, channels, channels, weight.data(), channels, packed.data());
  return packed;
}

}  // namespace

// What forward and backward share: the variant, the edges and where a layer's values are.
struct EdgeConv::Pass {
  EdgeConv& self;
  const float* nodes;
  const Edges& edges;
  EdgeConvWorkspace& workspace;
  Variant kernels = variant();
  std::int64_t channels = self.channels_;
  std::int64_t stride = self.stride_;
  std::int64_t longest = longest_tile(edges, stride);

  std::int64_t num_chunks() const { return std::ssize(self.chunks_) - 1; }

  // Calls begin_chunk(first, end) for the particles of every chunk, then body(chunk, range of a
  // tile, tiles) for its tiles; on all threads, with work space of `buffers` tiles.
  template <typename BeginChunk, typename Body>
  void for_all_tiles(std::int64_t buffers, BeginChunk begin_chunk, Body body) const {
    if (std::ssize(workspace.tiles) < num_chunks()) workspace.tiles.resize(num_chunks());
    parallel_for(num_chunks(), 1, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t floats = longest * stride;
      const Tiles tiles{room_for(workspace.tiles[begin], buffers * floats), floats};
      for (std::int64_t chunk = begin; chunk < end; ++chunk) {
        begin_chunk(self.chunks_[chunk], self.chunks_[chunk + 1]);
        for_tiles(edges, self.chunks_[chunk], self.chunks_[chunk + 1], tile_rows(stride),
                  [&](const EdgeRange& range) { body(chunk, range, tiles); });
      }
    });
  }
  template <typename Body>
  void for_all_tiles(std::int64_t buffers, Body body) const {
    for_all_tiles(
        buffers, [](std::int64_t, std::int64_t) {}, body);
  }
  // Zeroes the rows of nodes that a chunk is about to add to.
  void clear(float* rows, std::int64_t begin, std::int64_t end) const {
    std::fill(rows + begin * 2 * stride, rows + end * 2 * stride, 0.0F);
  }

  detail::NormColumns norm(std::size_t layer) const {
    const Norm& norm = self.norms_[layer];
    return {norm.mean.data(), norm.scale.data(), norm.beta.data()};
  }
  detail::NormGradient norm_gradient(std::size_t layer) const {
    const Norm& norm = self.norms_[layer];
    return {norm.mean.data(), norm.scale.data(), norm.offset.data(), norm.slope.data()};
  }

  // Returns where the layer's values of a tile are.
  detail::EdgeValues values(std::size_t layer, const EdgeRange& range) const {
    if (layer == 0) return {nullptr, nodes};
    return {self.values_[layer].data() + range.offsets[range.begin] * stride, nodes};
  }

  void multiply(const float* a, std::int64_t rows, const float* packed, float* c) const {
    kernels.gemm.tile_product({rows, channels, channels, a, stride, packed, c, stride});
  }

  void finish_norm(std::size_t layer, const EdgeConvLayer& weights, const float* shift,
                   const ChunkSums& sums, const BatchNormOptions& options) const;
  void finish_gradient(std::size_t layer, const EdgeConvLayer& weights, const ChunkSums& sums,
                       const EdgeConvGradient& gradient) const;
  std::vector<float> first_values(std::size_t layer, const float* packed) const;
  void forward_layer(std::size_t layer, const EdgeConvLayer& weights,
                     const BatchNormOptions& options) const;
  void forward_mean(std::span<float> y) const;
  const float* share_gradient(std::span<const float> grad_y) const;
  ChunkSums last_sums(const float* grad_mean) const;
  void backward_layer(std::size_t layer, std::span<const EdgeConvLayer> layers,
                      const float* grad_mean, float* grad_nodes, float* z_nodes,
                      const EdgeConvGradient& gradient, ChunkSums& sums) const;
  void backward_nodes(const float* z_nodes, float* grad_nodes) const;
};

// Makes the statistics of the layer from sums around `shift`.
void EdgeConv::Pass::finish_norm(std::size_t layer, const EdgeConvLayer& weights,
                                 const float* shift, const ChunkSums& sums,
                                 const BatchNormOptions& options) const {
  Norm& norm = self.norms_[layer];
  std::vector<detail::ShiftedSums> columns;
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto [sum, squares] = sums.total(c);
    columns.push_back({edges.num_edges(), shift[c], sum, squares});
  }
  detail::share(options.shared, columns);
  self.all_edges_ = columns.front().rows;
  for (std::int64_t c = 0; c < channels; ++c) {
    const bool running = !weights.running_mean.empty();
    detail::finish_column(columns[c], options.epsilon, options.momentum, norm.mean[c],
                          norm.inverse_deviation[c], running ? &weights.running_mean[c] : nullptr,
                          running ? &weights.running_variance[c] : nullptr);
    norm.scale[c] = weights.scale[c] * norm.inverse_deviation[c];
    norm.beta[c] = weights.shift[c];
  }
}

void EdgeConv::Pass::finish_gradient(std::size_t layer, const EdgeConvLayer& weights,
                                     const ChunkSums& sums,
                                     const EdgeConvGradient& gradient) const {
  Norm& norm = self.norms_[layer];
  std::vector<detail::GradientSums> columns;
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto [sum, weighted] = sums.total(c);
    columns.push_back({sum, weighted});
    gradient.scale[c] = static_cast<float>(weighted * norm.inverse_deviation[c]);
    gradient.shift[c] = static_cast<float>(sum);
  }
  detail::share(self.shared_, columns);
  for (std::int64_t c = 0; c < channels; ++c) {
    const detail::ColumnGradient column =
        detail::column_gradient(self.all_edges_, columns[c].sum, columns[c].weighted,
                                weights.scale[c], norm.inverse_deviation[c]);
    norm.offset[c] = column.offset;
    norm.slope[c] = column.slope;
  }
}

// Computes the values of the first edge: a shift near the mean keeps the squares small.
std::vector<float> EdgeConv::Pass::first_values(std::size_t layer, const float* packed) const {
  std::vector<float> row(static_cast<std::size_t>(stride));
  if (edges.num_edges() == 0) return row;
  if (layer > 1) {
    std::copy_n(self.values_[layer - 1].data(), stride, row.data());
  } else {
    const auto after = std::upper_bound(edges.offsets.begin(), edges.offsets.end(), 0);
    const float* center = nodes + (after - edges.offsets.begin() - 1) * 2 * stride;
    const float* neighbor = nodes + edges.targets.front() * 2 * stride + stride;
    std::transform(center, center + stride, neighbor, row.begin(), std::plus<>());
  }
  if (layer == 0) return row;
  std::vector<float> activation(static_cast<std::size_t>(stride));
  const std::int64_t offsets[2] = {0, 1};
  const EdgeRange one{offsets, edges.targets.data(), 0, 1};
  kernels.edge.activate(one, {row.data(), nullptr}, stride, norm(layer - 1), activation.data());
  multiply(activation.data(), 1, packed, row.data());
  return row;
}

void EdgeConv::Pass::forward_layer(std::size_t layer, const EdgeConvLayer& weights,
                                   const BatchNormOptions& options) const {
  std::vector<float> packed;
  if (layer > 0) packed = pack(kernels.gemm, /*transpose=*/true, channels, weights.weight);
  const std::vector<float> shift = first_values(layer, packed.data());
  if (layer > 0) room_for(self.values_[layer], edges.num_edges() * stride);
  ChunkSums sums(num_chunks(), stride);
  for_all_tiles(1, [&](std::int64_t chunk, const EdgeRange& range, const Tiles& tiles) {
    if (layer > 0) {
      kernels.edge.activate(range, values(layer - 1, range), stride, norm(layer - 1), tiles[0]);
      multiply(tiles[0], rows_of(range), packed.data(),
               self.values_[layer].data() + range.offsets[range.begin] * stride);
    }
    kernels.edge.moments(range, values(layer, range), stride, shift.data(), sums.first(chunk),
                         sums.second(chunk));
  });
  finish_norm(layer, weights, shift.data(), sums, options);
}

void EdgeConv::Pass::forward_mean(std::span<float> y) const {
  const std::int64_t num_particles = edges.num_particles();
  const std::size_t last = self.norms_.size() - 1;
  self.passed_.resize(static_cast<std::size_t>(num_particles * stride));
  self.weighted_.resize(static_cast<std::size_t>(num_particles * stride));
  for_all_tiles(1, [&](std::int64_t, const EdgeRange& range, const Tiles& tiles) {
    const std::int64_t at = range.begin * stride;
    float* const mean = tiles[0];
    kernels.edge.pool(range, values(last, range), stride, norm(last), mean,
                      self.passed_.data() + at, self.weighted_.data() + at);
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      std::copy_n(mean + (i - range.begin) * stride, channels, y.data() + i * channels);
    }
  });
}

EdgeConv::EdgeConv(std::int64_t channels, std::int64_t num_layers)
    : channels_(channels),
      stride_(padded_stride(channels)),
      norms_(static_cast<std::size_t>(num_layers)),
      values_(static_cast<std::size_t>(num_layers)) {
  for (Norm& norm : norms_) {
    for (std::vector<float>* column : {&norm.mean, &norm.inverse_deviation, &norm.scale, &norm.beta,
                                       &norm.offset, &norm.slope}) {
      column->assign(static_cast<std::size_t>(stride_), 0.0F);
    }
  }
}

void EdgeConv::forward(std::span<const float> nodes, const Edges& edges,
                       std::span<const std::int64_t> offsets, std::span<const EdgeConvLayer> layers,
                       const BatchNormOptions& options, std::span<float> y,
                       EdgeConvWorkspace& workspace) {
  JETCAL_DCHECK(layers.size() == norms_.size() && offsets.back() == edges.num_particles());
  JETCAL_DCHECK(std::ssize(nodes) == edges.num_particles() * 2 * stride_);
  JETCAL_DCHECK(std::ssize(y) == edges.num_particles() * channels_);
  chunks_ = cut_chunks(edges, offsets);
  shared_ = options.shared;
  const Pass pass{*this, nodes.data(), edges, workspace};
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    pass.forward_layer(layer, layers[layer], options);
  }
  pass.forward_mean(y);
}

// Divides the gradient of every particle's mean by its number of edges, in padded rows.
const float* EdgeConv::Pass::share_gradient(std::span<const float> grad_y) const {
  const std::int64_t num_particles = edges.num_particles();
  float* const shared = room_for(workspace.grad_mean, num_particles * stride);
  parallel_for(num_particles, detail::row_grain(stride), [&](std::int64_t begin, std::int64_t end) {
    std::fill(shared + begin * stride, shared + end * stride, 0.0F);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t count = edges.offsets[i + 1] - edges.offsets[i];
      const float share = count == 0 ? 0.0F : 1 / static_cast<float>(count);
      for (std::int64_t c = 0; c < channels; ++c) {
        shared[i * stride + c] = grad_y[i * channels + c] * share;
      }
    }
  });
  return shared;
}

// The last layer's sums over edges follow from those of every particle that forward kept.
ChunkSums EdgeConv::Pass::last_sums(const float* grad_mean) const {
  ChunkSums sums(num_chunks(), stride);
  parallel_for(num_chunks(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      const std::int64_t first = self.chunks_[chunk];
      const std::int64_t count = self.chunks_[chunk + 1] - first;
      const std::int64_t at = first * stride;
      kernels.edge.products(grad_mean + at, self.passed_.data() + at, count, stride,
                            sums.first(chunk));
      kernels.edge.products(grad_mean + at, self.weighted_.data() + at, count, stride,
                            sums.second(chunk));
    }
  });
  return sums;
}

// From the gradient after a layer (shared means for the last one, what the layer above left for
// others) to that of its weights and that after the layer below, masked, with the sums that its
// norm needs. The latter replaces the layer's values, tile by tile: they are read no more, and
// their lines are in cache.
void EdgeConv::Pass::backward_layer(std::size_t layer, std::span<const EdgeConvLayer> layers,
                                    const float* grad_mean, float* grad_nodes, float* z_nodes,
                                    const EdgeConvGradient& gradient, ChunkSums& sums) const {
  const std::vector<float> packed =
      pack(kernels.gemm, /*transpose=*/false, channels, layers[layer].weight);
  const std::int64_t size = channels * stride;
  const std::int64_t parts_size = num_chunks() * size;
  float* const parts = room_for(workspace.weight_parts, parts_size);
  std::fill(parts, parts + parts_size, 0.0F);
  const bool is_last = layer + 1 == layers.size();
  const auto begin_chunk = [&](std::int64_t begin, std::int64_t end) {
    if (layer > 1) return;
    clear(grad_nodes, begin, end);
    clear(z_nodes, begin, end);
  };
  const auto run_tile = [&](std::int64_t chunk, const EdgeRange& range, const Tiles& tiles) {
    const std::int64_t rows = rows_of(range);
    const std::int64_t at = range.offsets[range.begin] * stride;
    float* const z = self.values_[layer].data() + at;
    float* const grad_z = tiles[0];
    if (is_last) {
      kernels.edge.pool_backward(range, z, stride, norm(layer), norm_gradient(layer),
                                 grad_mean + range.begin * stride, grad_z);
    } else {
      kernels.edge.norm_backward(z, self.values_[layer + 1].data() + at, rows, stride,
                                 norm_gradient(layer), grad_z);
    }
    const detail::EdgeValues below = values(layer - 1, range);
    float* const activation = tiles[1];
    kernels.edge.activate(range, below, stride, norm(layer - 1), activation);
    kernels.gemm.tile_gradient({rows, channels, channels, grad_z, stride, activation, stride,
                                parts + chunk * size, stride});
    float* const grad_below = layer > 1 ? z : tiles[2];
    multiply(grad_z, rows, packed.data(), grad_below);
    kernels.edge.mask(range, below, activation, stride, norm(layer - 1).mean, grad_below,
                      sums.first(chunk), sums.second(chunk));
    if (layer > 1) return;
    kernels.edge.scatter(range, grad_below, nodes, stride, norm(0).mean, grad_nodes, z_nodes);
  };
  for_all_tiles(3, begin_chunk, run_tile);
  parallel_for(channels, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t c = 0; c < channels; ++c) {
        double total = 0;
        for (std::int64_t part = row * stride + c; part < parts_size; part += size) {
          total += parts[part];
        }
        gradient.weight[row * channels + c] = static_cast<float>(total);
      }
    }
  });
}

// The first layer's norm is linear in the sums that every node received.
void EdgeConv::Pass::backward_nodes(const float* z_nodes, float* grad_nodes) const {
  const std::int64_t num_particles = edges.num_particles();
  std::vector<float> degree(static_cast<std::size_t>(2 * num_particles));
  for (std::int64_t i = 0; i < num_particles; ++i) {
    degree[2 * i] = static_cast<float>(edges.offsets[i + 1] - edges.offsets[i]);
  }
  for (const std::int32_t j : edges.targets) degree[2 * j + 1] += 1;
  parallel_for(num_particles, detail::row_grain(2 * stride),
               [&](std::int64_t begin, std::int64_t end) {
                 kernels.edge.node_backward(z_nodes + begin * 2 * stride, degree.data() + 2 * begin,
                                            end - begin, stride, norm_gradient(0),
                                            grad_nodes + begin * 2 * stride);
               });
}

void EdgeConv::backward(std::span<const float> nodes, const Edges& edges,
                        std::span<const EdgeConvLayer> layers, std::span<const float> grad_y,
                        std::span<float> grad_nodes, std::span<const EdgeConvGradient> gradients,
                        EdgeConvWorkspace& workspace) {
  JETCAL_DCHECK(layers.size() == norms_.size() && gradients.size() == layers.size());
  JETCAL_DCHECK(std::ssize(grad_y) == edges.num_particles() * channels_);
  JETCAL_DCHECK(std::ssize(grad_nodes) == edges.num_particles() * 2 * stride_);
  const Pass pass{*this, nodes.data(), edges, workspace};
  const float* grad_mean = pass.share_gradient(grad_y);
  const std::size_t last = layers.size() - 1;
  pass.finish_gradient(last, layers[last], pass.last_sums(grad_mean), gradients[last]);
  if (last == 0) {
    const auto begin_chunk = [&](std::int64_t begin, std::int64_t end) {
      pass.clear(grad_nodes.data(), begin, end);
    };
    pass.for_all_tiles(0, begin_chunk, [&](std::int64_t, const EdgeRange& range, const Tiles&) {
      pass.kernels.edge.pool_scatter(range, nodes.data(), stride_, pass.norm(0),
                                     pass.norm_gradient(0), grad_mean + range.begin * stride_,
                                     grad_nodes.data());
    });
    return;
  }
  float* const z_nodes = room_for(workspace.node_values, std::ssize(grad_nodes));
  for (std::size_t layer = last; layer > 0; --layer) {
    ChunkSums sums(pass.num_chunks(), stride_);
    pass.backward_layer(layer, layers, grad_mean, grad_nodes.data(), z_nodes, gradients[layer],
                        sums);
    pass.finish_gradient(layer - 1, layers[layer - 1], sums, gradients[layer - 1]);
  }
  pass.backward_nodes(z_nodes, grad_nodes.data());
}

}  // namespace jetcal::kernels
