// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/padded_batch.h"

#include <algorithm>
#include <cstring>

#include "jetcal/base/error.h"

namespace jetcal::engine {
namespace {

Tensor zeros(const std::string& name, std::vector<std::int64_t> shape) {
  const std::int64_t count = element_count(shape).value_or(0);
  return {name, DataType::Fp32, std::move(shape),
          std::vector<std::byte>(static_cast<std::size_t>(count) * sizeof(float))};
}

float* floats(Tensor& tensor) { return reinterpret_cast<float*>(tensor.data.data()); }

// Writes rows [n, channels] of one jet into its block [channels, slots].
void scatter(std::span<const float> rows, std::int64_t channels, std::int64_t slots, float* block) {
  const std::int64_t n = static_cast<std::int64_t>(rows.size()) / channels;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < channels; ++c) block[c * slots + i] = rows[i * channels + c];
}

const TensorView* find(std::span<const TensorView> inputs, const char* name) {
  const auto found = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const TensorView& input) { return input.name == name; });
  return found == inputs.end() ? nullptr : &*found;
}

// Reads floats of any alignment; copies only where the address demands it.
class Floats {
 public:
  explicit Floats(const TensorView* tensor) {
    if (tensor == nullptr) return;
    if (reinterpret_cast<std::uintptr_t>(tensor->data.data()) % alignof(float) == 0) {
      data_ = reinterpret_cast<const float*>(tensor->data.data());
      return;
    }
    copy_.resize(tensor->data.size() / sizeof(float));
    std::memcpy(copy_.data(), tensor->data.data(), copy_.size() * sizeof(float));
    data_ = copy_.data();
  }
  const float* data() const { return data_; }

 private:
  std::vector<float> copy_;
  const float* data_ = nullptr;
};

// Appends the values of the slots in `taken` from a block [channels, slots] as rows.
void gather(const float* block, std::int64_t channels, std::int64_t slots,
            const std::vector<std::int64_t>& taken, std::vector<float>& rows) {
  const std::size_t begin = rows.size();
  rows.resize(begin + taken.size() * channels);
  for (std::int64_t c = 0; c < channels; ++c) {
    float* out = rows.data() + begin + c;
    for (std::size_t i = 0; i < taken.size(); ++i) out[i * channels] = block[c * slots + taken[i]];
  }
}

}  // namespace

std::vector<TensorSpec> network_inputs(models::Network network, const edm::InputOptions& inputs) {
  std::vector<TensorSpec> specs;
  if (network == models::Network::ParticleNet)
    specs.push_back({"pf_points", DataType::Fp32, {-1, edm::kNumPointCoordinates, -1}});
  specs.push_back({"pf_features", DataType::Fp32, {-1, edm::num_particle_features(inputs), -1}});
  specs.push_back({"pf_mask", DataType::Fp32, {-1, 1, -1}});
  specs.push_back({"jet_features", DataType::Fp32, {-1, edm::num_jet_features(inputs)}});
  return specs;
}

std::vector<TensorSpec> network_outputs(bool with_resolution) {
  std::vector<TensorSpec> specs{{"output", DataType::Fp32, {-1, 1}}};
  if (with_resolution) specs.push_back({"resolution", DataType::Fp32, {-1, 1}});
  return specs;
}

std::vector<Tensor> pad(const edm::FeatureView& jets, std::int64_t slots, models::Network network) {
  const std::int64_t n = jets.num_jets();
  Tensor points = zeros("pf_points", {n, edm::kNumPointCoordinates, slots});
  Tensor features = zeros("pf_features", {n, jets.particle_features, slots});
  Tensor mask = zeros("pf_mask", {n, 1, slots});
  Tensor jet_features = zeros("jet_features", {n, jets.jet_features});
  for (std::int64_t j = 0; j < n; ++j) {
    const std::int64_t first = jets.offsets[j];
    const std::int64_t count = jets.offsets[j + 1] - first;
    if (count > slots)
      fail(ErrorCode::InvalidArgument, "jet ", j, " has ", count, " particles, more than ", slots,
           " slots");
    const auto rows = [&](std::span<const float> all, std::int64_t channels) {
      return all.subspan(first * channels, count * channels);
    };
    scatter(rows(jets.points, edm::kNumPointCoordinates), edm::kNumPointCoordinates, slots,
            floats(points) + j * edm::kNumPointCoordinates * slots);
    scatter(rows(jets.particles, jets.particle_features), jets.particle_features, slots,
            floats(features) + j * jets.particle_features * slots);
    std::fill_n(floats(mask) + j * slots, count, 1.0F);
  }
  std::copy(jets.jets.begin(), jets.jets.end(), floats(jet_features));
  std::vector<Tensor> tensors;
  if (network == models::Network::ParticleNet) tensors.push_back(std::move(points));
  tensors.push_back(std::move(features));
  tensors.push_back(std::move(mask));
  tensors.push_back(std::move(jet_features));
  return tensors;
}

void unpad(std::span<const TensorView> inputs, edm::FeatureBatch& jets) {
  const TensorView* mask_tensor = find(inputs, "pf_mask");
  if (mask_tensor == nullptr || mask_tensor->shape.size() != 3)
    fail(ErrorCode::InvalidArgument, "the input 'pf_mask' is missing or not of rank 3");
  const std::int64_t n = mask_tensor->shape[0];
  const std::int64_t slots = mask_tensor->shape[2];
  const TensorView* const of_particles = find(inputs, "pf_features");
  const TensorView* const of_jets = find(inputs, "jet_features");
  if (of_particles == nullptr || of_particles->shape.size() != 3 || of_jets == nullptr ||
      of_jets->shape.size() != 2)
    fail(ErrorCode::InvalidArgument,
         "the inputs 'pf_features' of rank 3 and 'jet_features' of rank 2 are needed");
  jets.particle_features = of_particles->shape[1];
  jets.jet_features = of_jets->shape[1];
  const Floats mask(mask_tensor);
  const Floats points(find(inputs, "pf_points"));
  const Floats features(of_particles);
  const Floats jet_features(of_jets);
  std::vector<std::int64_t> taken;
  for (std::int64_t j = 0; j < n; ++j) {
    taken.clear();
    for (std::int64_t slot = 0; slot < slots; ++slot) {
      if (mask.data()[j * slots + slot] != 0) taken.push_back(slot);
    }
    const float* block = features.data() + j * jets.particle_features * slots;
    gather(block, jets.particle_features, slots, taken, jets.particles);
    const float* plane = points.data() != nullptr
                             ? points.data() + j * edm::kNumPointCoordinates * slots
                             : block + 2 * slots;
    gather(plane, edm::kNumPointCoordinates, slots, taken, jets.points);
    jets.offsets.push_back(jets.offsets.back() + static_cast<std::int64_t>(taken.size()));
  }
  jets.jets.insert(jets.jets.end(), jet_features.data(),
                   jet_features.data() + n * jets.jet_features);
  jets.target.resize(jets.target.size() + n);
}

}  // namespace jetcal::engine
