// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/predictor.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/models/detail/inference_network.h"

namespace jetcal::models {
namespace {

// The head runs on this many jets at a time, so that its weights are read once for all of them.
constexpr std::int64_t kHeadJets = 64;
// The least work worth handing to another thread, in multiply-accumulates: some 20 microseconds.
constexpr std::int64_t kTaskMacs = 1'000'000;
// Threads take tasks as they get free: many of them even out what a busy machine does to one
// thread.
constexpr std::int64_t kTasksPerThread = 16;

// Checks once what everything below relies on.
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

// Counts the multiply-accumulates of a jet: macs_ragged() as a polynomial of its size.
class JetCost {
 public:
  explicit JetCost(const ModelConfig& config)
      : neighbors_(neighbors_of(config)),
        jet_(macs_ragged(config, 0)),
        particle_(macs_ragged(config, 1) - jet_),
        edge_((macs_ragged(config, 2) - jet_ - 2 * particle_) / 2) {}

  std::int64_t operator()(std::int64_t particles) const {
    const std::int64_t neighbors = std::clamp<std::int64_t>(particles - 1, 0, neighbors_);
    return jet_ + particles * (particle_ + neighbors * edge_);
  }

 private:
  // With how many others a particle is paired at most.
  static std::int64_t neighbors_of(const ModelConfig& config) {
    if (config.network == Network::ParticleTransformer) return kAll;
    return config.network == Network::Pfn ? 0 : config.neighbors;
  }
  static constexpr std::int64_t kAll = std::numeric_limits<std::int32_t>::max();

  std::int64_t neighbors_, jet_, particle_, edge_;
};

// Cuts the jets into tasks of about equal cost. Returns their bounds, first and last included.
std::vector<std::int64_t> cut_by_cost(const JetCost& cost, std::span<const std::int64_t> offsets,
                                      int threads) {
  const std::int64_t jets = std::ssize(offsets) - 1;
  std::vector<std::int64_t> ends{0};
  if (threads == 1) {
    ends.push_back(jets);
    return ends;
  }
  std::vector<std::int64_t> total(static_cast<std::size_t>(jets));  // up to and with each jet
  std::int64_t sum = 0;
  for (std::int64_t jet = 0; jet < jets; ++jet) {
    sum += cost(offsets[jet + 1] - offsets[jet]);
    total[jet] = sum;
  }
  const std::int64_t tasks =
      std::clamp<std::int64_t>(sum / kTaskMacs, 1, kTasksPerThread * threads);
  for (std::int64_t task = 1; task <= tasks; ++task) {
    const auto end = std::lower_bound(total.begin(), total.end(), sum / tasks * task);
    const std::int64_t jet = task == tasks ? jets : end - total.begin() + 1;
    if (jet > ends.back()) ends.push_back(std::min(jet, jets));
  }
  return ends;
}

}  // namespace

struct Predictor::Impl {
  Impl(const FoldedModel& model, const PredictorOptions& chosen)
      : config(model.config), options(chosen), cost(config), network(model, chosen.precision) {}

  std::unique_ptr<detail::InferenceWorkspace> take_workspace() const;
  void give_back(std::unique_ptr<detail::InferenceWorkspace> work) const;

  ModelConfig config;
  PredictorOptions options;
  JetCost cost;
  detail::InferenceNetwork network;

  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<detail::InferenceWorkspace>> idle;  // guarded by mutex
};

std::unique_ptr<detail::InferenceWorkspace> Predictor::Impl::take_workspace() const {
  const std::lock_guard lock(mutex);
  if (idle.empty()) return std::make_unique<detail::InferenceWorkspace>();
  std::unique_ptr<detail::InferenceWorkspace> work = std::move(idle.back());
  idle.pop_back();
  return work;
}

void Predictor::Impl::give_back(std::unique_ptr<detail::InferenceWorkspace> work) const {
  const std::lock_guard lock(mutex);
  idle.push_back(std::move(work));
}

Predictor::Predictor(const Model& model, const PredictorOptions& options)
    : impl_(std::make_unique<const Impl>(fold(model), options)) {}
Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

void Predictor::predict(const edm::FeatureView& features, std::span<float> y) const {
  require_shapes(features, y);
  if (y.empty()) return;
  const int threads = num_threads();
  const std::vector<std::int64_t> ends = cut_by_cost(impl_->cost, features.offsets, threads);
  const std::int64_t tasks = std::ssize(ends) - 1;
  std::atomic<std::int64_t> next{0};
  parallel_for(std::min<std::int64_t>(threads, tasks), 1, [&](std::int64_t, std::int64_t) {
    std::unique_ptr<detail::InferenceWorkspace> work = impl_->take_workspace();
    for (std::int64_t task = next++; task < tasks; task = next++) {
      for (std::int64_t begin = ends[task]; begin < ends[task + 1]; begin += kHeadJets) {
        impl_->network.pool_jets(features, begin, std::min(begin + kHeadJets, ends[task + 1]),
                                 *work);
        if (work->num_pooled >= kHeadJets) impl_->network.run_head(*work, y);
      }
    }
    impl_->network.run_head(*work, y);
    impl_->give_back(std::move(work));
  });
}

const ModelConfig& Predictor::config() const noexcept { return impl_->config; }
const PredictorOptions& Predictor::options() const noexcept { return impl_->options; }

}  // namespace jetcal::models
