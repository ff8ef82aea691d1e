// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/predictor.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/edge.h"
#include "jetcal/kernels/elementwise.h"
#include "jetcal/kernels/knn.h"
#include "jetcal/kernels/linear.h"
#include "jetcal/kernels/segment.h"

namespace jetcal::models {
namespace {

using kernels::Activation;

// Bounds of the work space. Whole jets are taken until a tile holds this many particles: rows
// enough to keep the kernels busy, few enough for the second-level cache.
constexpr std::int64_t kTileParticles = 256;
// The edges of a tile are worked on in pieces of about this many: two buffers of them stay in the
// second-level cache at 50 units.
constexpr std::int64_t kPieceEdges = 512;
// The head runs on this many jets at a time, so that its weights are read once for all of them.
constexpr std::int64_t kHeadJets = 128;
// The least work of one thread: about a tenth of a millisecond of either network.
constexpr std::int64_t kPfnGrain = 16;
constexpr std::int64_t kParticleNetGrain = 1;

struct PackedDense {
  explicit PackedDense(const Dense& dense)
      : weight(dense.weight, dense.in, dense.out), bias(dense.bias) {}
  std::int64_t in() const { return weight.in(); }
  std::int64_t out() const { return weight.out(); }

  kernels::PackedWeights weight;
  std::vector<float> bias;
};

struct PackedBlock {
  explicit PackedBlock(const FoldedEdgeBlock& block)
      : center(block.center),
        neighbor(block.neighbor),
        layers(block.layers.begin(), block.layers.end()) {
    if (block.shortcut) shortcut.emplace(*block.shortcut);
  }
  PackedDense center, neighbor;
  std::vector<PackedDense> layers;
  std::optional<PackedDense> shortcut;
};

// Buffers of one thread, kept between calls: fresh pages cost more than the arithmetic.
struct Workspace {
  std::vector<std::int64_t> offsets;
  std::vector<float> x, y, center, neighbor, edges, next_edges;
  std::vector<std::int32_t> neighbor_rows;
  kernels::Edges edge_list;
  std::vector<float> head_input, head, next_head, pooled;
};

std::span<float> rows_in(std::vector<float>& storage, std::int64_t rows, std::int64_t channels) {
  const auto size = static_cast<std::size_t>(rows * channels);
  if (storage.size() < size) storage.resize(size);
  return std::span(storage).first(size);
}

void run_dense(const PackedDense& layer, std::span<const float> x, std::span<float> y,
               Activation activation) {
  kernels::linear_forward(x, layer.weight, layer.bias, y, activation);
}

// Checks once what every kernel below relies on.
void require_shapes(const edm::FeatureView& features, std::span<const float> y) {
  if (features.offsets.empty()) {
    fail(ErrorCode::InvalidArgument, "predict: offsets must hold at least one value");
  }
  const auto jets = static_cast<std::size_t>(features.num_jets());
  const auto particles = static_cast<std::size_t>(features.num_particles());
  if (features.particles.size() != particles * edm::kNumParticleFeatures ||
      features.points.size() != particles * edm::kNumPointCoordinates ||
      features.jets.size() != jets * edm::kNumJetFeatures || y.size() != jets) {
    fail(ErrorCode::InvalidArgument, "predict: the arrays do not have the sizes of ", jets,
         " jets with ", particles, " particles");
  }
}

}  // namespace

struct Predictor::Impl {
  explicit Impl(const FoldedModel& model)
      : config(model.config),
        particle_layers(model.particle_layers.begin(), model.particle_layers.end()),
        blocks(model.blocks.begin(), model.blocks.end()),
        head(model.head.begin(), model.head.end()),
        pooled(head.front().in() - edm::kNumJetFeatures) {}

  void predict_range(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
                     std::span<float> y) const;
  std::int64_t end_of_tile(std::span<const std::int64_t> offsets, std::int64_t begin,
                           std::int64_t end) const;
  void run_tile(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
                Workspace& work, std::span<float> pooled_rows) const;
  void run_block(const PackedBlock& block, std::span<const float> coordinates,
                 std::int64_t dimensions, Workspace& work) const;
  void run_edges(const PackedBlock& block, std::int64_t first, std::int64_t last, Workspace& work,
                 std::span<float> mean) const;
  void run_head(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
                Workspace& work, std::span<float> y) const;

  std::unique_ptr<Workspace> take_workspace() const;
  void give_back(std::unique_ptr<Workspace> work) const;

  ModelConfig config;
  std::vector<PackedDense> particle_layers;
  std::vector<PackedBlock> blocks;
  std::vector<PackedDense> head;
  std::int64_t pooled;

  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<Workspace>> idle;  // guarded by mutex
};

std::unique_ptr<Workspace> Predictor::Impl::take_workspace() const {
  const std::lock_guard lock(mutex);
  if (idle.empty()) return std::make_unique<Workspace>();
  std::unique_ptr<Workspace> work = std::move(idle.back());
  idle.pop_back();
  return work;
}

void Predictor::Impl::give_back(std::unique_ptr<Workspace> work) const {
  const std::lock_guard lock(mutex);
  idle.push_back(std::move(work));
}

std::int64_t Predictor::Impl::end_of_tile(std::span<const std::int64_t> offsets, std::int64_t begin,
                                          std::int64_t end) const {
  std::int64_t last = begin + 1;
  while (last < end && offsets[last + 1] - offsets[begin] <= kTileParticles) ++last;
  return last;
}

// Computes the mean of the edge function over the neighbors of the particles [first, last).
void Predictor::Impl::run_edges(const PackedBlock& block, std::int64_t first, std::int64_t last,
                                Workspace& work, std::span<float> mean) const {
  const std::int64_t k = config.neighbors;
  const std::int64_t out = block.center.out();
  kernels::build_edges(std::span(work.neighbor_rows).subspan(first * k, (last - first) * k), k,
                       /*with_reverse=*/false, work.edge_list);
  const std::int64_t num_edges = work.edge_list.num_edges();
  const std::span<const float> center =
      std::span<const float>(work.center).subspan(first * out, (last - first) * out);
  kernels::edge_add(center, work.neighbor, work.edge_list, out, rows_in(work.edges, num_edges, out),
                    Activation::Relu);
  for (const PackedDense& layer : block.layers) {
    run_dense(layer, rows_in(work.edges, num_edges, out), rows_in(work.next_edges, num_edges, out),
              Activation::Relu);
    std::swap(work.edges, work.next_edges);
  }
  kernels::segment_mean(rows_in(work.edges, num_edges, out), work.edge_list.offsets, out,
                        mean.subspan(first * out, (last - first) * out));
}

// Replaces the tile's particles in work.x by the block's output.
void Predictor::Impl::run_block(const PackedBlock& block, std::span<const float> coordinates,
                                std::int64_t dimensions, Workspace& work) const {
  const std::int64_t rows = work.offsets.back();
  const std::int64_t k = config.neighbors;
  const std::int64_t out = block.center.out();
  const std::span<float> x = rows_in(work.x, rows, block.center.in());
  work.neighbor_rows.resize(static_cast<std::size_t>(rows * k));
  kernels::knn(coordinates, dimensions, dimensions, work.offsets, k, work.neighbor_rows);
  run_dense(block.center, x, rows_in(work.center, rows, out), Activation::None);
  run_dense(block.neighbor, x, rows_in(work.neighbor, rows, out), Activation::None);
  const std::span<float> mean = rows_in(work.y, rows, out);
  const std::int64_t step = std::max<std::int64_t>(1, kPieceEdges / k);
  for (std::int64_t first = 0; first < rows; first += step) {
    run_edges(block, first, std::min(first + step, rows), work, mean);
  }
  if (block.shortcut) {
    const std::span<float> shortcut = rows_in(work.center, rows, out);
    run_dense(*block.shortcut, x, shortcut, Activation::None);
    kernels::add(shortcut, mean);
  } else {
    kernels::add(x, mean);
  }
  kernels::relu_forward(mean);
  std::swap(work.x, work.y);
}

// Runs everything that works on particles for the jets [begin, end).
void Predictor::Impl::run_tile(const edm::FeatureView& features, std::int64_t begin,
                               std::int64_t end, Workspace& work,
                               std::span<float> pooled_rows) const {
  const std::int64_t first = features.offsets[begin];
  const std::int64_t rows = features.offsets[end] - first;
  work.offsets.clear();
  for (std::int64_t jet = begin; jet <= end; ++jet) {
    work.offsets.push_back(features.offsets[jet] - first);
  }
  std::span<const float> input = features.particles.subspan(first * edm::kNumParticleFeatures,
                                                            rows * edm::kNumParticleFeatures);
  for (const PackedDense& layer : particle_layers) {
    const std::span<float> output = rows_in(work.y, rows, layer.out());
    run_dense(layer, input, output, Activation::Relu);
    std::swap(work.x, work.y);
    input = output;
  }
  if (config.network == Network::Pfn) {
    kernels::segment_sum(input, work.offsets, pooled, pooled_rows);
    return;
  }
  std::span<const float> coordinates =
      features.points.subspan(first * edm::kNumPointCoordinates, rows * edm::kNumPointCoordinates);
  std::int64_t dimensions = edm::kNumPointCoordinates;
  for (const PackedBlock& block : blocks) {
    run_block(block, coordinates, dimensions, work);
    dimensions = block.center.out();
    coordinates = rows_in(work.x, rows, dimensions);
  }
  kernels::segment_mean(coordinates, work.offsets, pooled, pooled_rows);
}

void Predictor::Impl::run_head(const edm::FeatureView& features, std::int64_t begin,
                               std::int64_t end, Workspace& work, std::span<float> y) const {
  const std::int64_t rows = end - begin;
  const std::int64_t width = head.front().in();
  const std::span<float> joined = rows_in(work.head_input, rows, width);
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(work.pooled.data() + row * pooled, pooled, joined.data() + row * width);
    std::copy_n(features.jets.data() + (begin + row) * edm::kNumJetFeatures, edm::kNumJetFeatures,
                joined.data() + row * width + pooled);
  }
  std::span<const float> input = joined;
  for (std::size_t layer = 0; layer + 1 < head.size(); ++layer) {
    const std::span<float> output = rows_in(work.next_head, rows, head[layer].out());
    run_dense(head[layer], input, output, Activation::Relu);
    std::swap(work.head, work.next_head);
    input = output;
  }
  run_dense(head.back(), input, y.subspan(begin, rows), Activation::None);
}

void Predictor::Impl::predict_range(const edm::FeatureView& features, std::int64_t begin,
                                    std::int64_t end, std::span<float> y) const {
  std::unique_ptr<Workspace> work = take_workspace();
  for (std::int64_t chunk = begin; chunk < end; chunk += kHeadJets) {
    const std::int64_t chunk_end = std::min(chunk + kHeadJets, end);
    const std::span<float> rows = rows_in(work->pooled, chunk_end - chunk, pooled);
    for (std::int64_t tile = chunk; tile < chunk_end;) {
      const std::int64_t tile_end = end_of_tile(features.offsets, tile, chunk_end);
      run_tile(features, tile, tile_end, *work,
               rows.subspan((tile - chunk) * pooled, (tile_end - tile) * pooled));
      tile = tile_end;
    }
    run_head(features, chunk, chunk_end, *work, y);
  }
  give_back(std::move(work));
}

Predictor::Predictor(const Model& model) : impl_(std::make_unique<const Impl>(fold(model))) {}
Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

void Predictor::predict(const edm::FeatureView& features, std::span<float> y) const {
  require_shapes(features, y);
  const std::int64_t grain = impl_->config.network == Network::Pfn ? kPfnGrain : kParticleNetGrain;
  parallel_for(features.num_jets(), grain, [&](std::int64_t begin, std::int64_t end) {
    impl_->predict_range(features, begin, end, y);
  });
}

const ModelConfig& Predictor::config() const noexcept { return impl_->config; }

}  // namespace jetcal::models
