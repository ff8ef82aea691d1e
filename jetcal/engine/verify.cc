// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "jetcal/base/random.h"
#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/sample_jets.h"
#include "jetcal/models/predictor.h"

namespace jetcal::engine {
namespace {

// Random jets of which the first has as many particles as there are slots.
edm::FeatureBatch case_jets(std::int64_t batch_size, std::int64_t slots, std::uint64_t seed,
                            const edm::InputOptions& inputs) {
  edm::FeatureBatch jets = sample_jets(1, slots, slots, seed, inputs);
  if (batch_size == 1) return jets;
  const edm::FeatureBatch more = sample_jets(batch_size - 1, 0, slots, mix64(seed, 1), inputs);
  for (std::size_t j = 1; j < more.offsets.size(); ++j)
    jets.offsets.push_back(slots + more.offsets[j]);
  jets.points.insert(jets.points.end(), more.points.begin(), more.points.end());
  jets.particles.insert(jets.particles.end(), more.particles.begin(), more.particles.end());
  jets.jets.insert(jets.jets.end(), more.jets.begin(), more.jets.end());
  return jets;
}

// Moves slot p of every jet to slot target[p] of `slots`; what nothing moves to becomes NaN, and 0
// in the mask.
std::vector<Tensor> rearrange(const std::vector<Tensor>& tensors,
                              const std::vector<std::vector<std::int64_t>>& targets,
                              std::int64_t slots) {
  std::vector<Tensor> moved;
  moved.reserve(tensors.size());
  for (const Tensor& tensor : tensors) {
    moved.push_back(tensor);
    if (tensor.shape.size() != 3) continue;
    const std::int64_t channels = tensor.shape[1];
    const std::int64_t old_slots = tensor.shape[2];
    std::vector<float> values(
        tensor.shape[0] * channels * slots,
        tensor.name == "pf_mask" ? 0 : std::numeric_limits<float>::quiet_NaN());
    const auto* old = reinterpret_cast<const float*>(tensor.data.data());
    for (std::int64_t row = 0; row < tensor.shape[0] * channels; ++row)
      for (std::int64_t p = 0; p < old_slots; ++p)
        values[row * slots + targets[row / channels][p]] = old[row * old_slots + p];
    moved.back().shape[2] = slots;
    moved.back().data.resize(values.size() * sizeof(float));
    std::memcpy(moved.back().data.data(), values.data(), moved.back().data.size());
  }
  return moved;
}

std::vector<std::vector<std::int64_t>> in_place(std::int64_t jets, std::int64_t slots) {
  std::vector<std::int64_t> order(slots);
  std::iota(order.begin(), order.end(), 0);
  return std::vector<std::vector<std::int64_t>>(jets, order);
}

std::vector<std::vector<std::int64_t>> shuffled(std::int64_t jets, std::int64_t slots,
                                                std::int64_t new_slots, std::uint64_t seed) {
  Rng rng(seed);
  auto targets = in_place(jets, new_slots);
  for (std::vector<std::int64_t>& target : targets) {
    shuffle(std::span(target), rng);
    target.resize(slots);
  }
  return targets;
}

// The values of all outputs, one tensor after the other.
std::vector<float> run(const OnnxSession& session, const std::vector<Tensor>& tensors) {
  std::vector<TensorView> views;
  views.reserve(tensors.size());
  for (const Tensor& tensor : tensors) views.push_back(tensor.view());
  const std::vector<Tensor> outputs = session.run(views);
  std::vector<float> values;
  for (const Tensor& output : outputs) {
    const std::size_t first = values.size();
    values.resize(first + output.data.size() / sizeof(float));
    std::memcpy(values.data() + first, output.data.data(), output.data.size());
  }
  return values;
}

double max_difference(const std::vector<float>& a, const std::vector<float>& b) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (a.size() != b.size()) return kInfinity;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    worst = std::max(worst, std::isnan(difference) ? kInfinity : difference);
  }
  return worst;
}

}  // namespace

VerifyReport verify_onnx(const std::filesystem::path& onnx_file, const models::Model& model,
                         const VerifyOptions& options,
                         const std::function<void(const VerifyCase&)>& progress) {
  const models::Predictor predictor(model);
  VerifyReport report;
  for (const GraphOptimization level : options.levels) {
    const OnnxSession session(onnx_file, {level, 0, true});
    for (const std::int64_t batch_size : options.batch_sizes) {
      for (const std::int64_t slots : options.slots) {
        const std::uint64_t seed = mix64(mix64(options.seed, slots), batch_size);
        const edm::FeatureBatch jets = case_jets(batch_size, slots, seed, model.config.inputs());
        const bool with_resolution = models::has_resolution(model.config);
        std::vector<float> native(with_resolution ? 2 * batch_size : batch_size);
        const std::span<float> y = std::span(native).first(batch_size);
        if (with_resolution)
          predictor.predict(jets.view(), y, std::span(native).subspan(batch_size));
        else
          predictor.predict(jets.view(), y);
        const std::vector<Tensor> tensors = pad(jets.view(), slots, model.config.network);
        const std::vector<float> plain = run(session, tensors);
        const std::int64_t wide = slots + slots / 2 + 5;
        VerifyCase result{level, batch_size, slots, max_difference(plain, native), 0, 0};
        result.padding = max_difference(
            plain, run(session, rearrange(tensors, in_place(batch_size, slots), wide)));
        const auto targets = shuffled(batch_size, slots, wide, mix64(seed, 2));
        result.order = max_difference(plain, run(session, rearrange(tensors, targets, wide)));
        report.max_native = std::max(report.max_native, result.native);
        report.max_padding = std::max(report.max_padding, result.padding);
        report.max_order = std::max(report.max_order, result.order);
        report.num_jets += batch_size;
        report.cases.push_back(result);
        if (progress) progress(result);
      }
    }
  }
  report.passed = !report.cases.empty() && report.max_native <= options.tolerance &&
                  report.max_padding <= options.invariance_tolerance &&
                  report.max_order <= options.invariance_tolerance;
  return report;
}

}  // namespace jetcal::engine
