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
#include "jetcal/models/head.h"

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
void require_shapes(const FoldedModel& model, const edm::FeatureView& features,
                    std::span<const float> y) {
  if (features.offsets.empty()) {
    fail(ErrorCode::InvalidArgument, "predict: offsets must hold at least one value");
  }
  const auto jets = static_cast<std::size_t>(features.num_jets());
  const auto particles = static_cast<std::size_t>(features.num_particles());
  if (features.particles.size() != particles * model.num_particle_features ||
      features.points.size() != particles * edm::kNumPointCoordinates ||
      features.jets.size() != jets * model.num_jet_features || y.size() != jets) {
    fail(ErrorCode::InvalidArgument, "predict: the arrays do not have the sizes of ", jets,
         " jets with ", particles, " particles, ", model.num_particle_features,
         " features a particle and ", model.num_jet_features, " a jet");
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
  Impl(FoldedModel folded, const PredictorOptions& chosen)
      : model(std::move(folded)),
        options(chosen),
        cost(model.config),
        network(model, chosen.precision) {
    // The network has its own copy of the layers.
    model.particle_layers.clear();
    model.blocks.clear();
    model.head.clear();
  }

  void run(const edm::FeatureView& features, std::span<float> outputs) const;
  void finish(const edm::FeatureView& features, std::span<float> y,
              std::span<float> resolution) const;

  std::unique_ptr<detail::InferenceWorkspace> take_workspace() const;
  void give_back(std::unique_ptr<detail::InferenceWorkspace> work) const;

  FoldedModel model;
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

PredictorOptions predictor_options(std::string_view precision) {
  return {kernels::parse_precision(precision)};
}

Predictor::Predictor(const Model& model, const PredictorOptions& options)
    : impl_(std::make_unique<const Impl>(fold(model), options)) {}
Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

// Runs the network up to the numbers of its head's last layer.
void Predictor::Impl::run(const edm::FeatureView& features, std::span<float> outputs) const {
  const int threads = num_threads();
  const std::vector<std::int64_t> ends = cut_by_cost(cost, features.offsets, threads);
  const std::int64_t tasks = std::ssize(ends) - 1;
  std::atomic<std::int64_t> next{0};
  parallel_for(std::min<std::int64_t>(threads, tasks), 1, [&](std::int64_t, std::int64_t) {
    std::unique_ptr<detail::InferenceWorkspace> work = take_workspace();
    for (std::int64_t task = next++; task < tasks; task = next++) {
      for (std::int64_t begin = ends[task]; begin < ends[task + 1]; begin += kHeadJets) {
        network.pool_jets(features, begin, std::min(begin + kHeadJets, ends[task + 1]), *work);
        if (work->num_pooled >= kHeadJets) network.run_head(*work, outputs);
      }
    }
    network.run_head(*work, outputs);
    give_back(std::move(work));
  });
}

// Adds what follows the layers of the network.
void Predictor::Impl::finish(const edm::FeatureView& features, std::span<float> y,
                             std::span<float> resolution) const {
  const Calibration& calibration = model.calibration;
  if (model.skip_feature < 0 && calibration.empty()) return;
  for (std::size_t jet = 0; jet < y.size(); ++jet) {
    const float* const own =
        features.jets.data() + static_cast<std::int64_t>(jet) * model.num_jet_features;
    if (model.skip_feature >= 0) y[jet] += edm::bounded_feature(own[model.skip_feature]);
    const float log_pt = own[0] + y[jet];
    if (!calibration.closure.empty()) y[jet] += calibration.closure.at(own[1], log_pt);
    if (!calibration.resolution.empty() && !resolution.empty())
      resolution[jet] *= calibration.resolution.at(own[1], log_pt);
  }
}

void Predictor::predict(const edm::FeatureView& features, std::span<float> y) const {
  require_shapes(impl_->model, features, y);
  if (y.empty()) return;
  if (impl_->model.config.head == Head::Value) {
    impl_->run(features, y);
  } else {
    std::vector<float> outputs(y.size() * static_cast<std::size_t>(impl_->network.num_outputs()));
    impl_->run(features, outputs);
    read_head(impl_->model.config.head, outputs, y, {});
  }
  impl_->finish(features, y, {});
}

void Predictor::predict(const edm::FeatureView& features, std::span<float> y,
                        std::span<float> resolution) const {
  require_shapes(impl_->model, features, y);
  if (!has_resolution(impl_->model.config)) {
    fail(ErrorCode::FailedPrecondition, "predict: the network gives no resolution");
  }
  if (resolution.size() != y.size()) {
    fail(ErrorCode::InvalidArgument, "predict: the resolution has ", resolution.size(),
         " values for ", y.size(), " jets");
  }
  if (y.empty()) return;
  std::vector<float> outputs(y.size() * static_cast<std::size_t>(impl_->network.num_outputs()));
  impl_->run(features, outputs);
  read_head(impl_->model.config.head, outputs, y, resolution);
  impl_->finish(features, y, resolution);
}

const ModelConfig& Predictor::config() const noexcept { return impl_->model.config; }
const PredictorOptions& Predictor::options() const noexcept { return impl_->options; }

}  // namespace jetcal::models
