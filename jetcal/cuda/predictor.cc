// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/predictor.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "jetcal/base/error.h"
#include "jetcal/cuda/detail/folded_pass.h"

namespace jetcal::cuda {
namespace {

// Bounds of a piece of a batch: a gigabyte of edge rows at a width of 200.
constexpr std::int64_t kMostEdges = std::int64_t{1} << 19U;
constexpr std::int64_t kMostParticles = std::int64_t{1} << 18U;
// A single jet of up to this many particles runs as a graph; their work space is made once.
constexpr std::int64_t kGraphParticles = 512;

models::FoldedModel fold_published(const models::Model& model) {
  models::require_published(model.config, "prediction on a GPU");
  if (!model.calibration.empty())
    fail(ErrorCode::Unimplemented, "prediction on a GPU knows no calibration");
  return models::fold(model);
}

/// Work space of one kind of batch.
struct Lane {
  std::unique_ptr<detail::FoldedPass> pass;
  detail::BatchSlot slot;
  detail::PinnedBuffer<float> y;
};

}  // namespace

struct Predictor::Impl {
  Impl(const models::Model& model, Precision precision);

  std::int64_t end_of_piece(std::span<const std::int64_t> offsets, std::int64_t begin) const;
  void run_piece(const edm::FeatureView& features, std::int64_t begin, std::int64_t end,
                 std::span<float> y);
  void run_single(const edm::FeatureView& features, std::int64_t jet, std::span<float> y);
  void prepare_single();
  void fetch(Lane& lane, const float* y, std::span<float> to);

  models::ModelConfig config;
  std::int64_t neighbors;
  detail::Queue queue;
  std::unique_ptr<detail::FoldedWeights> weights;
  Lane batch, single;

  struct Recorded {
    std::int64_t calls = 0;
    const float* y = nullptr;
    detail::Graph graph;
  };
  std::map<std::int64_t, Recorded> graphs;  // by the number of particles
  std::mutex mutex;
};

Predictor::Impl::Impl(const models::Model& model, Precision precision)
    : config(model.config),
      neighbors(config.network == models::Network::ParticleNet ? config.neighbors : 0),
      weights(detail::make_folded_weights(queue, fold_published(model), precision)) {
  if (model.standardisation.has_bounds())
    fail(ErrorCode::Unimplemented, "the GPU does not clip features yet: predict on the CPU");
  batch.pass = detail::make_folded_pass(queue, *weights);
  prepare_single();
}

// Runs the largest jet that will be recorded, so that no work space grows under a graph. Twice,
// because a pass may leave two buffers in each other's place.
void Predictor::Impl::prepare_single() {
  single.pass = detail::make_folded_pass(queue, *weights);
  edm::FeatureBatch jet;
  jet.offsets = {0, kGraphParticles};
  for (std::int64_t p = 0; p < kGraphParticles; ++p) {
    jet.points.insert(jet.points.end(), {static_cast<float>(p), 0.0F});
  }
  jet.particles.assign(static_cast<std::size_t>(kGraphParticles * edm::kNumParticleFeatures), 0.0F);
  jet.jets.assign(static_cast<std::size_t>(edm::kNumJetFeatures), 0.0F);
  single.slot.pack(jet.view(), 0, 1, {}, neighbors);
  single.slot.copy(queue);
  single.y.reserve(1);
  for (int run = 0; run < 2; ++run) {
    static_cast<void>(single.pass->forward(single.slot.batch()));
  }
  queue.synchronize();
}

// Whole jets up to the bounds, at least one.
std::int64_t Predictor::Impl::end_of_piece(std::span<const std::int64_t> offsets,
                                           std::int64_t begin) const {
  std::int64_t edges = 0;
  std::int64_t end = begin;
  while (end < std::ssize(offsets) - 1) {
    edges += detail::count_edges(offsets, end, end + 1, neighbors);
    const bool full = edges > kMostEdges || offsets[end + 1] - offsets[begin] > kMostParticles;
    if (full && end > begin) break;
    ++end;
  }
  return end;
}

void Predictor::Impl::fetch(Lane& lane, const float* y, std::span<float> to) {
  float* const pinned = lane.y.reserve(std::ssize(to));
  queue.copy_to_host(pinned, y, to.size_bytes());
  queue.synchronize();
  std::copy_n(pinned, to.size(), to.begin());
}

void Predictor::Impl::run_piece(const edm::FeatureView& features, std::int64_t begin,
                                std::int64_t end, std::span<float> y) {
  batch.slot.pack(features, begin, end, {}, neighbors);
  batch.slot.copy(queue);
  fetch(batch, batch.pass->forward(batch.slot.batch()), y);
}

void Predictor::Impl::run_single(const edm::FeatureView& features, std::int64_t jet,
                                 std::span<float> y) {
  single.slot.pack(features, jet, jet + 1, {}, neighbors);
  single.slot.copy(queue);
  Recorded& recorded = graphs[single.slot.batch().rows.num_particles];
  ++recorded.calls;
  if (recorded.calls == 1) {  // cuBLAS may load kernels, which a recording must not
    fetch(single, single.pass->forward(single.slot.batch()), y);
    return;
  }
  if (recorded.calls == 2) {
    detail::Graph::begin(queue);
    try {
      recorded.y = single.pass->forward(single.slot.batch());
    } catch (...) {
      detail::Graph::abandon(queue);
      throw;
    }
    recorded.graph.end(queue);
  }
  recorded.graph.launch(queue);
  fetch(single, recorded.y, y);
}

Predictor::Predictor(const models::Model& model, Precision precision)
    : impl_(std::make_unique<Impl>(model, precision)) {}
Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

void Predictor::predict(const edm::FeatureView& features, std::span<float> y) const {
  if (features.offsets.empty() || std::ssize(y) != features.num_jets()) {
    fail(ErrorCode::InvalidArgument, "predict: y has ", y.size(), " values for ",
         features.num_jets(), " jets");
  }
  Impl& own = *impl_;
  const std::lock_guard lock(own.mutex);
  const std::int64_t jets = features.num_jets();
  if (jets == 1 && features.num_particles() <= kGraphParticles) {
    own.run_single(features, 0, y);
    return;
  }
  for (std::int64_t begin = 0; begin < jets;) {
    const std::int64_t end = own.end_of_piece(features.offsets, begin);
    own.run_piece(features, begin, end, y.subspan(begin, end - begin));
    begin = end;
  }
}

const models::ModelConfig& Predictor::config() const noexcept { return impl_->config; }

}  // namespace jetcal::cuda
