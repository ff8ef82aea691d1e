// SPDX-License-Identifier: Apache-2.0
// The networks once more in libtorch's own operations, in double and not factored: gradients and
// parameters of ten training steps are held against libtorch's autograd and Adam.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "jetcal/base/random.h"
#include "jetcal/train/detail/loss_terms.h"
#include "jetcal/train/learner.h"
#include "tests/models/random_jets.h"

namespace jetcal::train {
namespace {

at::Tensor as_double(const std::vector<float>& values, at::IntArrayRef shape) {
  return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat).to(at::kDouble);
}

class TorchNetwork {
 public:
  explicit TorchNetwork(const models::Model& model)
      : config_(model.config),
        layout_(model.layout),
        standardisation_(model.standardisation),
        parameters_(as_double(model.parameters, {std::ssize(model.parameters)})),
        buffers_(as_double(model.buffers, {std::ssize(model.buffers)})) {
    parameters_.requires_grad_();
  }

  at::Tensor& parameters() { return parameters_; }
  const at::Tensor& buffers() const { return buffers_; }

  at::Tensor forward(const edm::FeatureBatch& batch) {
    const at::Tensor x =
        standardised(batch.particles, edm::kNumParticleFeatures, standardisation_.particle_mean,
                     standardisation_.particle_deviation);
    const at::Tensor jets = standardised(batch.jets, edm::kNumJetFeatures,
                                         standardisation_.jet_mean, standardisation_.jet_deviation);
    const bool pfn = config_.network == models::Network::Pfn;
    const at::Tensor particles = pfn ? particle_network(x)
                                 : config_.network == models::Network::ParticleTransformer
                                     ? attention_network(x, batch)
                                     : edge_network(x, batch);
    std::vector<std::int64_t> owner;
    for (std::int64_t jet = 0; jet < batch.num_jets(); ++jet) {
      owner.insert(owner.end(),
                   static_cast<std::size_t>(batch.offsets[jet + 1] - batch.offsets[jet]), jet);
    }
    const at::Tensor pooled = sum_rows(particles, owner, batch.num_jets(), /*mean=*/!pfn);
    at::Tensor y = at::cat({pooled, jets}, 1);
    for (int layer = 0; layer <= config_.head_layers; ++layer) {
      y = linear(y, "head" + std::to_string(layer), true);
      if (layer < config_.head_layers) y = y.relu();
    }
    return y.squeeze(1);
  }

 private:
  static at::Tensor standardised(const std::vector<float>& values, std::int64_t channels,
                                 const std::vector<float>& mean,
                                 const std::vector<float>& deviation) {
    const at::Tensor x = as_double(values, {std::ssize(values) / channels, channels});
    if (mean.empty()) return x;
    return (x - as_double(mean, {channels})) / as_double(deviation, {channels});
  }

  static at::Tensor sum_rows(const at::Tensor& x, std::vector<std::int64_t>& owner,
                             std::int64_t rows, bool mean) {
    const at::Tensor index = at::from_blob(owner.data(), {std::ssize(owner)}, at::kLong).clone();
    const at::Tensor sum = at::zeros({rows, x.size(1)}, at::kDouble).index_add(0, index, x);
    if (!mean) return sum;
    const at::Tensor count = at::bincount(index, {}, rows).clamp_min(1).to(at::kDouble);
    return sum / count.unsqueeze(1);
  }

  static at::Tensor slice_of(const std::vector<models::TensorSlice>& slices,
                             const std::string& name, const at::Tensor& flat) {
    for (const models::TensorSlice& slice : slices) {
      if (slice.name == name) return flat.narrow(0, slice.offset, slice.size).view(slice.shape);
    }
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }
  at::Tensor parameter(const std::string& name) const {
    return slice_of(layout_.parameters, name, parameters_);
  }

  at::Tensor linear(const at::Tensor& x, const std::string& name, bool bias) const {
    const at::Tensor y = at::matmul(x, parameter(name + ".weight").t());
    return bias ? y + parameter(name + ".bias") : y;
  }

  at::Tensor norm(const at::Tensor& x, const std::string& name) {
    at::Tensor mean = slice_of(layout_.buffers, name + ".running_mean", buffers_);
    at::Tensor variance = slice_of(layout_.buffers, name + ".running_var", buffers_);
    return at::batch_norm(x, parameter(name + ".weight"), parameter(name + ".bias"), mean, variance,
                          /*training=*/true, /*momentum=*/0.1, /*eps=*/1e-5,
                          /*cudnn_enabled=*/false);
  }

  at::Tensor particle_network(at::Tensor x) const {
    for (int layer = 0; layer < config_.particle_layers; ++layer) {
      x = linear(x, "particle" + std::to_string(layer), true).relu();
    }
    return x;
  }

  at::Tensor edge_network(const at::Tensor& input, const edm::FeatureBatch& batch) {
    at::Tensor x = norm(input, "input_norm");
    x = norm(linear(x, "feature", false), "feature.norm").relu();
    at::Tensor coordinates = as_double(batch.points, {std::ssize(batch.points) / 2, 2});
    for (int block = 0; block < config_.edge_blocks; ++block) {
      x = edge_block(x, coordinates, "block" + std::to_string(block), batch.offsets);
      coordinates = x.detach();
    }
    return x;
  }

  at::Tensor edge_block(const at::Tensor& x, const at::Tensor& coordinates, const std::string& name,
                        const std::vector<std::int64_t>& offsets) {
    std::vector<std::int64_t> from;
    std::vector<std::int64_t> to;
    for (std::size_t jet = 0; jet + 1 < offsets.size(); ++jet) {
      const std::int64_t size = offsets[jet + 1] - offsets[jet];
      const std::int64_t k = std::min<std::int64_t>(config_.neighbors, size - 1);
      if (k < 1) continue;
      const at::Tensor own = coordinates.narrow(0, offsets[jet], size);
      at::Tensor distance = (own.unsqueeze(1) - own.unsqueeze(0)).square().sum(2);
      distance.fill_diagonal_(std::numeric_limits<double>::infinity());
      const at::Tensor nearest = std::get<1>(distance.topk(k, 1, /*largest=*/false)).contiguous();
      const std::int64_t* const index = nearest.const_data_ptr<std::int64_t>();
      for (std::int64_t i = 0; i < size * k; ++i) {
        from.push_back(offsets[jet] + i / k);
        to.push_back(offsets[jet] + index[i]);
      }
    }
    const auto rows = [](std::vector<std::int64_t>& index) {
      return at::from_blob(index.data(), {std::ssize(index)}, at::kLong).clone();
    };
    const at::Tensor x_i = x.index_select(0, rows(from));
    const at::Tensor x_j = x.index_select(0, rows(to));
    at::Tensor edges = at::cat({x_i, x_j - x_i}, 1);
    for (int layer = 0; layer < config_.edge_layers; ++layer) {
      const std::string own = name + ".edge" + std::to_string(layer);
      edges = norm(linear(edges, own, false), own + ".norm").relu();
    }
    const at::Tensor mean = sum_rows(edges, from, x.size(0), /*mean=*/true);
    if (x.size(1) == config_.edge_units) return (x + mean).relu();
    const std::string own = name + ".shortcut";
    return (norm(linear(x, own, false), own + ".norm") + mean).relu();
  }

  at::Tensor layer_norm(const at::Tensor& x, const std::string& name) const {
    return at::layer_norm(x, {x.size(1)}, parameter(name + ".weight"), parameter(name + ".bias"));
  }

  at::Tensor attention_network(at::Tensor x, const edm::FeatureBatch& batch) const {
    for (int layer = 0; layer < config_.embedding_layers; ++layer) {
      x = linear(x, "embedding" + std::to_string(layer), true);
      if (layer + 1 < config_.embedding_layers) x = x.relu();
    }
    const at::Tensor features =
        as_double(batch.particles, {batch.num_particles(), edm::kNumParticleFeatures});
    for (int block = 0; block < config_.attention_blocks; ++block) {
      const std::string name = "attention" + std::to_string(block);
      const at::Tensor qkv = linear(layer_norm(x, name + ".norm"), name + ".qkv", true);
      std::vector<at::Tensor> attended;
      for (std::int64_t jet = 0; jet < batch.num_jets(); ++jet) {
        const std::int64_t first = batch.offsets[jet];
        const std::int64_t size = batch.offsets[jet + 1] - first;
        if (size == 0) continue;
        attended.push_back(attend(qkv.narrow(0, first, size), features.narrow(0, first, size),
                                  parameter(name + ".pair.weight")));
      }
      x = x + linear(at::cat(attended), name + ".out", true);
      const at::Tensor hidden = linear(layer_norm(x, name + ".feed_norm"), name + ".expand", true);
      x = x + linear(hidden.relu(), name + ".contract", true);
    }
    return layer_norm(x, "norm");
  }

  // Attention within a jet, the bias of the pairs as the mask that PyTorch adds.
  at::Tensor attend(const at::Tensor& qkv, const at::Tensor& features,
                    const at::Tensor& pair_weight) const {
    const auto heads = [&](std::int64_t part) {
      const std::int64_t width = config_.attention_units;
      return qkv.narrow(1, part * width, width)
          .view({qkv.size(0), config_.attention_heads, -1})
          .transpose(0, 1);
    };
    const auto pairs = [&features](std::int64_t c) {
      return std::pair{features.select(1, c).unsqueeze(1), features.select(1, c).unsqueeze(0)};
    };
    const auto [pt_i, pt_j] = pairs(0);
    const auto [eta_i, eta_j] = pairs(2);
    const auto [phi_i, phi_j] = pairs(3);
    const at::Tensor squared = (eta_i - eta_j).square() + (phi_i - phi_j).square() + 1e-6F;
    const at::Tensor smaller = at::minimum(pt_i, pt_j);
    const at::Tensor quantities =
        at::stack({squared.log() / 2, smaller + squared.log() / 2,
                   smaller - at::logaddexp(pt_i, pt_j), pt_i + pt_j + squared.log()});
    const at::Tensor bias = at::einsum("hq,qij->hij", {pair_weight, quantities});
    return at::scaled_dot_product_attention(heads(0), heads(1), heads(2), bias)
        .transpose(0, 1)
        .reshape({qkv.size(0), config_.attention_units});
  }

  models::ModelConfig config_;
  models::Layout layout_;
  models::Standardisation standardisation_;
  at::Tensor parameters_, buffers_;
};

constexpr double kRate = 1e-3;

struct Case {
  std::string name;
  models::ModelConfig config;
};

// Ten batches of 24 jets, from none to 40 particles, seeded.
std::vector<edm::FeatureBatch> batches() {
  std::vector<edm::FeatureBatch> all;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Rng rng(300 + seed);
    std::vector<std::int64_t> sizes{0, 1, 2, 5};
    while (sizes.size() < 24) sizes.push_back(static_cast<std::int64_t>(rng.below(41)));
    all.push_back(models::random_jets(sizes, 400 + seed));
  }
  return all;
}

// Bounds the error of a gradient by that of float sums, relative to the largest entry of its
// tensor: some hundred roundings, of which most cancel. ParticleNet takes millions of ReLUs a
// batch, and some lie within rounding of the corner: one that falls on the other side adds one
// edge's share to entries that are sums over some thousand edges.
double relative_bound(models::Network network) {
  return network == models::Network::Pfn ? 256 * 0x1p-24 : 4e-3;
}

// The gradient of the loss in y sums to one in absolute value: where an entry cancels (the last
// bias, and the shift that a later batch norm takes out again) some roundings of one stay.
constexpr double kRoundings = 4 * 0x1p-24;

double largest_of(const double* values, const models::TensorSlice& slice) {
  double largest = 0;
  for (std::int64_t i = slice.offset; i < slice.offset + slice.size; ++i)
    largest = std::max(largest, std::abs(values[i]));
  return largest;
}

class GradientsOf : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { model_ = models::random_model(GetParam().config, 77); }
  models::Model model_;
};

TEST_P(GradientsOf, EqualLibtorchsWhereverTenStepsLead) {
  Learner learner(model_, {OptimizerKind::Adam, kRate, std::nullopt});
  const double relative = relative_bound(GetParam().config.network);
  int step = 0;
  for (const edm::FeatureBatch& batch : batches()) {
    SCOPED_TRACE(++step);
    const models::Model here = learner.model();
    TorchNetwork theirs(here);
    const at::Tensor target = as_double(batch.target, {batch.num_jets()});
    const at::Tensor loss = detail::loss_terms(target, theirs.forward(batch)).mean();
    loss.backward();
    const double* const want = theirs.parameters().grad().const_data_ptr<double>();
    std::vector<float> got(here.parameters.size());
    EXPECT_NEAR(Learner(here, {}).gradient(batch, 0, got), loss.item<double>(),
                1e-5 * loss.item<double>());
    std::int64_t tight = 0;
    for (const models::TensorSlice& slice : here.layout.parameters) {
      const double largest = largest_of(want, slice);
      const double bound = std::max(relative * largest, kRoundings);
      for (std::int64_t i = slice.offset; i < slice.offset + slice.size; ++i) {
        ASSERT_NEAR(got[i], want[i], bound) << slice.name << " " << i - slice.offset;
      }
      tight += bound < 5e-3 * largest ? 1 : 0;
    }
    EXPECT_GT(4 * tight, 3 * std::ssize(here.layout.parameters));  // so that the bounds tell
    learner.step(batch, 0, kRate);
    const double* const buffers = theirs.buffers().const_data_ptr<double>();
    for (std::size_t i = 0; i < here.buffers.size(); ++i) {
      ASSERT_NEAR(learner.model().buffers[i], buffers[i], 1e-5 * (1 + std::abs(buffers[i]))) << i;
    }
  }
}

TEST_P(GradientsOf, LeadWhereLibtorchsAdamLeadsInTenSteps) {
  Learner learner(model_, {OptimizerKind::Adam, kRate, std::nullopt});
  TorchNetwork theirs(model_);
  torch::optim::Adam adam({theirs.parameters()}, torch::optim::AdamOptions(kRate));
  std::vector<float> got(model_.parameters.size());
  std::vector<double> error(got.size(), 0.0);  // the largest of a gradient's entry so far
  std::vector<double> bound(got.size(), 0.0);
  int step = 0;
  for (const edm::FeatureBatch& batch : batches()) {
    SCOPED_TRACE(++step);
    Learner(learner.model(), {}).gradient(batch, 0, got);
    learner.step(batch, 0, kRate);
    adam.zero_grad();
    const at::Tensor target = as_double(batch.target, {batch.num_jets()});
    detail::loss_terms(target, theirs.forward(batch)).mean().backward();
    adam.step();
    const double* const gradient = theirs.parameters().grad().const_data_ptr<double>();
    const auto& state = static_cast<const torch::optim::AdamParamState&>(
        *adam.state().at(theirs.parameters().unsafeGetTensorImpl()));
    const double* const square = state.exp_avg_sq().const_data_ptr<double>();
    const double* const want = theirs.parameters().const_data_ptr<double>();
    std::int64_t tight = 0;
    for (std::size_t i = 0; i < bound.size(); ++i) {
      // An update is lr m / (sqrt(v) + epsilon). Errors of the gradients move m, and sqrt(v), by no
      // more than the largest of them; no update is longer than lr, but one whose gradient is
      // rounding may have either sign. Each step rounds moments, update and weight.
      error[i] = std::max(error[i], std::abs(got[i] - gradient[i]));
      const double deviation = std::sqrt(square[i] / (1 - std::pow(0.999, step))) + 1e-8;
      bound[i] += kRate * std::min(2.0, 2 * error[i] / deviation) +
                  0x1p-24 * (std::abs(want[i]) + 8 * kRate);
      ASSERT_NEAR(learner.model().parameters[i], want[i], bound[i]) << i;
      tight += bound[i] < 0.05 * kRate * step ? 1 : 0;
    }
    EXPECT_GT(2 * tight, std::ssize(bound));  // so that the bounds tell
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const models::Network network :
       {models::Network::Pfn, models::Network::ParticleNet, models::Network::ParticleTransformer}) {
    const std::string name(models::network_name(network));
    const bool transformer = network == models::Network::ParticleTransformer;
    all.push_back({name, models::tiny(network)});
    all.push_back({name + "_standardised", models::tiny(network)});
    all.back().config.standardise = true;
    all.push_back({name + "_paper", models::preset(transformer ? "transformer" : "paper-" + name)});
    all.back().config.dropout = 0;
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Networks, GradientsOf, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace jetcal::train
