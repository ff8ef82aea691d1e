// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/edge_infer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "jetcal/kernels/knn.h"
#include "tests/kernels/kernel_case.h"
#include "tests/kernels/quantised_error.h"

namespace jetcal::kernels {
namespace {

// A value in double, and how far a float computation of it may be away.
struct Bounded {
  double value = 0, error = 0;
};

Bounded relu(Bounded x) { return {std::max(x.value, 0.0), x.error}; }

double largest(const std::vector<Bounded>& x) {
  double most = 0;
  for (const Bounded& each : x) most = std::max(most, each.value + each.error);
  return most;
}

struct Weights {
  Weights(std::int64_t num_in, std::int64_t num_out, std::uint64_t seed)
      : in(num_in), out(num_out), weight(random_floats(num_in * num_out, seed)) {
    for (float& w : weight) w /= std::sqrt(static_cast<float>(in));
    bias = random_floats(num_out, seed + 1);
  }
  LinearWeights view() const { return {weight, bias, in, out}; }

  // Rounds once a product and a sum, on inputs that are off themselves. In fewer bits, x is at most
  // `bound`.
  std::vector<Bounded> apply(const std::vector<Bounded>& x,
                             Precision precision = Precision::Float32, double bound = 0) const {
    Floats values;
    for (const Bounded& each : x) values.push_back(static_cast<float>(each.value + each.error));
    std::vector<Bounded> y(static_cast<std::size_t>(out));
    for (std::int64_t c = 0; c < out; ++c) {
      y[c].value = bias[c];
      double size = std::abs(y[c].value);
      for (std::int64_t k = 0; k < in; ++k) {
        const double w = weight[c * in + k];
        y[c].value += w * x[k].value;
        size += std::abs(w * x[k].value) + std::abs(w) * x[k].error;
        y[c].error += std::abs(w) * x[k].error;
      }
      y[c].error +=
          static_cast<double>(in + 6) * kRoundoff * size +
          quantisation_error(precision, values, std::span(weight).subspan(c * in, in), bound);
    }
    return y;
  }

  std::int64_t in, out;
  Floats weight, bias;
};

struct Block {
  Block(std::int64_t in, std::int64_t out, int num_layers)
      : center(in, out, 10), neighbor(in, out, 20), shortcut(in, out, 30) {
    for (int i = 0; i < num_layers; ++i) layers.emplace_back(out, out, 40 + i);
  }
  bool has_shortcut() const { return center.in != center.out; }

  PackedEdgeConv pack(Precision precision, NodeInput input) const {
    std::vector<LinearWeights> views;
    for (const Weights& layer : layers) views.push_back(layer.view());
    return {center.view(), neighbor.view(),
            views,         has_shortcut() ? std::optional(shortcut.view()) : std::nullopt,
            precision,     input};
  }

  // The definition for one particle.
  std::vector<Bounded> define(const std::vector<std::vector<Bounded>>& x, std::int64_t i,
                              std::span<const std::int32_t> targets, Precision precision,
                              NodeInput input) const {
    const auto of_node = [&](const Weights& weights, std::int64_t node) {
      return input == NodeInput::Any
                 ? weights.apply(x[node])
                 : weights.apply(x[node], unaveraged(precision), largest(x[node]));
    };
    const std::vector<Bounded> own = of_node(center, i);
    std::vector<Bounded> y(static_cast<std::size_t>(center.out));
    double count = 0;
    for (const std::int32_t j : targets) {
      if (j < 0) continue;
      count += 1;
      std::vector<Bounded> z = of_node(neighbor, j);
      double bound = largest(own) + largest(z);
      for (std::size_t c = 0; c < z.size(); ++c) {
        const double value = own[c].value + z[c].value;
        z[c] = relu({value, own[c].error + z[c].error + kRoundoff * std::abs(value)});
      }
      for (const Weights& layer : layers) {
        z = layer.apply(z, precision, bound);
        std::ranges::transform(z, z.begin(), relu);
        bound = largest(z);
      }
      for (std::size_t c = 0; c < z.size(); ++c) {
        y[c].value += z[c].value;
        y[c].error += z[c].error + kRoundoff * y[c].value;  // of this addition
      }
    }
    const std::vector<Bounded> rest = has_shortcut() ? of_node(shortcut, i) : x[i];
    for (std::size_t c = 0; c < y.size(); ++c) {
      const double mean = y[c].value / std::max(count, 1.0);
      const double value = mean + rest[c].value;
      y[c] = relu({value, y[c].error / std::max(count, 1.0) + rest[c].error +
                              2 * kRoundoff * (std::abs(mean) + std::abs(rest[c].value))});
    }
    return y;
  }

  Weights center, neighbor, shortcut;
  std::vector<Weights> layers;
};

struct Jets {
  Jets(const std::vector<std::int64_t>& sizes, std::int64_t channels, std::int64_t num_neighbors)
      : offsets(offsets_of(sizes)),
        k(num_neighbors),
        x(random_floats(offsets.back() * channels, 3)) {
    neighbors.resize(static_cast<std::size_t>(offsets.back() * k));
    knn(random_floats(offsets.back() * 2, 4), 2, 2, offsets, k, neighbors);
  }
  Offsets offsets;
  std::int64_t k;
  Floats x;
  std::vector<std::int32_t> neighbors;
};

// Runs the block on the particles [begin, end), whose neighbors are among them.
Floats run(const Block& block, const Jets& jets, std::int64_t begin, std::int64_t end,
           Precision precision = Precision::Float32, NodeInput input = NodeInput::Any) {
  const PackedEdgeConv packed = block.pack(precision, input);
  const std::int64_t in = block.center.in;
  const std::int64_t stride = std::max(row_length(in), packed.length());
  const std::int64_t rows = end - begin;
  AlignedRows<float> x(static_cast<std::size_t>(rows * stride), 0.0F);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(jets.x.begin() + (begin + i) * in, in, x.begin() + i * stride);
  }
  std::vector<std::int32_t> neighbors(jets.neighbors.begin() + begin * jets.k,
                                      jets.neighbors.begin() + end * jets.k);
  for (std::int32_t& j : neighbors) j = j < 0 ? j : j - static_cast<std::int32_t>(begin);
  AlignedRows<float> y(static_cast<std::size_t>(rows * packed.length()), -7.0F);
  EdgeInferWorkspace work;
  edge_conv_forward(packed, rows, x.data(), stride, neighbors.data(), jets.k, y.data(), work);
  Floats result;
  for (std::int64_t i = 0; i < rows; ++i) {
    result.insert(result.end(), y.begin() + i * packed.length(),
                  y.begin() + i * packed.length() + block.center.out);
  }
  return result;
}

class EdgeInferTest : public KernelTest {};

TEST_P(EdgeInferTest, MatchesTheDefinitionAtEveryWidth) {
  const ScopedIsa forced(GetParam());
  const std::vector<Precision> precisions = supported_precisions();
  for (const auto& [in, out] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {5, 1}, {5, 7}, {8, 8}, {4, 9}, {16, 17}, {25, 25}, {32, 50}, {33, 33}, {32, 100}}) {
    for (const int layers : {0, 1, 2}) {
      for (const std::int64_t k : {1, 4, 16, 60}) {
        // Sizes and precisions take turns. Jets of 0, 1, 2, k, k + 1 particles, smaller and larger
        // ones.
        Jets jets({0, 1, 2, 4, 5, 16, 17, 0, 30, 3}, in, k);
        const NodeInput input = (in + layers) % 2 == 0 ? NodeInput::AfterRelu : NodeInput::Any;
        if (input == NodeInput::AfterRelu) {
          for (float& value : jets.x) value = std::max(value, 0.0F);
        }
        const Block block(in, out, layers);
        const Precision precision = precisions[(in + layers + k) % precisions.size()];
        const Floats y = run(block, jets, 0, jets.offsets.back(), precision, input);
        std::vector<std::vector<Bounded>> x;
        for (std::int64_t i = 0; i < jets.offsets.back(); ++i) {
          for (x.emplace_back(); std::ssize(x.back()) < in;) {
            x.back().push_back({jets.x[i * in + std::ssize(x.back())], 0});
          }
        }
        for (std::int64_t i = 0; i < jets.offsets.back(); ++i) {
          const auto want =
              block.define(x, i, std::span(jets.neighbors).subspan(i * k, k), precision, input);
          for (std::int64_t c = 0; c < out; ++c) {
            ASSERT_NEAR(y[i * out + c], want[c].value, want[c].error)
                << in << " to " << out << ", " << layers << " layers, k " << k << ", particle "
                << i;
          }
        }
      }
    }
  }
}

TEST_P(EdgeInferTest, GivesAJetTheSameBitsInAnyBatch) {
  const ScopedIsa forced(GetParam());
  for (const Precision precision : supported_precisions()) {
    for (const int layers : {0, 1, 2}) {
      const Jets jets({3, 1, 40, 17, 0, 16, 2, 5, 29}, 32, 16);
      const Block block(32, 50, layers);
      const NodeInput input = layers == 1 ? NodeInput::AfterRelu : NodeInput::Any;
      const Floats all = run(block, jets, 0, jets.offsets.back(), precision, input);
      for (std::size_t jet = 0; jet + 1 < jets.offsets.size(); ++jet) {
        const std::int64_t begin = jets.offsets[jet];
        const std::int64_t end = jets.offsets[jet + 1];
        EXPECT_TRUE(same_bits(run(block, jets, begin, end, precision, input),
                              std::span(all).subspan(begin * 50, (end - begin) * 50)))
            << precision_name(precision) << ", " << layers << " layers, jet " << jet;
      }
    }
  }
}

TEST_P(EdgeInferTest, ALoneParticleGetsItsShortcut) {
  const ScopedIsa forced(GetParam());
  const Jets jets({1}, 9, 4);
  const Floats y = run(Block(9, 9, 2), jets, 0, 1);
  for (int c = 0; c < 9; ++c) EXPECT_EQ(y[c], std::max(jets.x[c], 0.0F)) << c;
}

JETCAL_TEST_ALL_VARIANTS(EdgeInferTest);

}  // namespace
}  // namespace jetcal::kernels
