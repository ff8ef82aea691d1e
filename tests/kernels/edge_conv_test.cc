// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/edge_conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "jetcal/kernels/batch_norm.h"
#include "jetcal/kernels/knn.h"
#include "jetcal/kernels/linear.h"
#include "jetcal/kernels/segment.h"
#include "tests/kernels/edge_definition.h"
#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

constexpr std::int64_t kNeighbors = 5;

// A block's weights and a batch of jets, without padding.
struct Case {
  Case(std::int64_t num_channels, int num_layers, const std::vector<std::int64_t>& sizes)
      : channels(num_channels), layers(num_layers), offsets(offsets_of(sizes)) {
    const std::int64_t particles = offsets.back();
    center = random_floats(particles * channels, 1);
    neighbor = random_floats(particles * channels, 2);
    grad_y = random_floats(particles * channels, 3);
    const Floats points = random_floats(particles * 2, 4);
    std::vector<std::int32_t> rows(static_cast<std::size_t>(particles * kNeighbors));
    knn(points, 2, 2, offsets, kNeighbors, rows);
    build_edges(rows, kNeighbors, edges);
    for (int layer = 0; layer < layers; ++layer) {
      weight.push_back(random_floats(channels * channels, 10 + layer));
      scale.push_back(random_floats(channels, 20 + layer));
      shift.push_back(random_floats(channels, 30 + layer));
      for (float& w : weight.back()) w /= std::sqrt(static_cast<float>(channels));
    }
  }
  std::int64_t particles() const { return offsets.back(); }

  std::int64_t channels;
  int layers;
  Offsets offsets;
  Floats center, neighbor, grad_y;
  Edges edges;
  std::vector<Floats> weight, scale, shift;
};

struct Outcome {
  Floats y, grad_center, grad_neighbor;
  std::vector<Floats> grad_weight, grad_scale, grad_shift, running_mean, running_variance;
};

Outcome make_outcome(const Case& input) {
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  Outcome outcome;
  for (Floats* rows : {&outcome.y, &outcome.grad_center, &outcome.grad_neighbor}) {
    rows->resize(size(input.particles() * input.channels));
  }
  for (int layer = 0; layer < input.layers; ++layer) {
    outcome.grad_weight.emplace_back(size(layer == 0 ? 0 : input.channels * input.channels));
    for (std::vector<Floats>* columns : {&outcome.grad_scale, &outcome.grad_shift,
                                         &outcome.running_mean, &outcome.running_variance}) {
      columns->emplace_back(size(input.channels), 0.5F);
    }
  }
  return outcome;
}

Outcome run_fused(const Case& input, EdgeConv& block, EdgeConvWorkspace& workspace) {
  const std::int64_t stride = block.stride();
  Floats nodes(static_cast<std::size_t>(input.particles() * 2 * stride));
  for (std::int64_t i = 0; i < input.particles(); ++i) {
    std::copy_n(input.center.data() + i * input.channels, input.channels,
                nodes.data() + i * 2 * stride);
    std::copy_n(input.neighbor.data() + i * input.channels, input.channels,
                nodes.data() + (2 * i + 1) * stride);
  }
  Outcome outcome = make_outcome(input);
  std::vector<EdgeConvLayer> layers;
  std::vector<EdgeConvGradient> gradients;
  for (int layer = 0; layer < input.layers; ++layer) {
    layers.push_back({input.weight[layer], input.scale[layer], input.shift[layer],
                      outcome.running_mean[layer], outcome.running_variance[layer]});
    gradients.push_back(
        {outcome.grad_weight[layer], outcome.grad_scale[layer], outcome.grad_shift[layer]});
  }
  block.forward(nodes, input.edges, input.offsets, layers, {}, outcome.y, workspace);
  Floats grad_nodes(nodes.size(), std::nanf(""));
  block.backward(nodes, input.edges, layers, input.grad_y, grad_nodes, gradients, workspace);
  for (std::int64_t i = 0; i < input.particles(); ++i) {
    std::copy_n(grad_nodes.data() + i * 2 * stride, input.channels,
                outcome.grad_center.data() + i * input.channels);
    std::copy_n(grad_nodes.data() + (2 * i + 1) * stride, input.channels,
                outcome.grad_neighbor.data() + i * input.channels);
  }
  return outcome;
}

Outcome run_fused(const Case& input) {
  EdgeConv block(input.channels, input.layers);
  EdgeConvWorkspace workspace;
  return run_fused(input, block, workspace);
}

// The same function by the kernels that work on whole arrays, one operation after the other.
Outcome run_plain(const Case& input) {
  const std::int64_t channels = input.channels;
  const auto rows = static_cast<std::size_t>(input.edges.num_edges() * channels);
  Outcome outcome = make_outcome(input);
  BatchNormOptions options;
  options.activation = Activation::Relu;
  std::vector<Floats> z(input.layers, Floats(rows));
  std::vector<Floats> a(input.layers, Floats(rows));
  std::vector<Floats> mean(input.layers, Floats(static_cast<std::size_t>(channels)));
  std::vector<Floats> inverse = mean;
  for (int layer = 0; layer < input.layers; ++layer) {
    if (layer == 0) {
      edge_add(input.center, input.neighbor, input.edges, channels, z[0]);
    } else {
      linear_forward(a[layer - 1], input.weight[layer], {}, channels, channels, z[layer]);
    }
    batch_norm_forward(z[layer], channels, input.scale[layer], input.shift[layer], options,
                       a[layer], mean[layer], inverse[layer], outcome.running_mean[layer],
                       outcome.running_variance[layer]);
  }
  segment_mean(a.back(), input.edges.offsets, channels, outcome.y);

  Floats grad(rows);
  Floats below(rows);
  segment_mean_backward(input.grad_y, input.edges.offsets, channels, grad);
  for (int layer = input.layers - 1; layer >= 0; --layer) {
    batch_norm_backward(z[layer], grad, channels, input.scale[layer], input.shift[layer],
                        mean[layer], inverse[layer], Activation::Relu, grad,
                        outcome.grad_scale[layer], outcome.grad_shift[layer]);
    if (layer == 0) break;
    linear_backward_weights(a[layer - 1], grad, channels, channels, outcome.grad_weight[layer], {});
    linear_backward_input(grad, input.weight[layer], channels, channels, below);
    std::swap(grad, below);
  }
  edge_add_backward(grad, input.edges, channels, outcome.grad_center, outcome.grad_neighbor);
  return outcome;
}

// Values are of order 1 after every norm, and each is a sum of `channels` terms and a mean over
// neighbours; every layer passes the error on and adds its own. Sums over many rows are compared
// with the largest of their tensor, which has as many terms.
void expect_same(const Floats& got, const Floats& want, const Case& input,
                 const std::string& what) {
  double largest = 1e-3;
  for (const float value : want) largest = std::max(largest, std::abs(static_cast<double>(value)));
  const double terms = static_cast<double>(input.channels + kNeighbors + 8);
  const double bound = 16 * input.layers * terms * kRoundoff * largest;
  expect_near(got, want, std::vector<double>(want.size(), bound), what);
}

void expect_same(const Outcome& got, const Outcome& want, const Case& input,
                 const std::string& what) {
  expect_same(got.y, want.y, input, what + " y");
  expect_same(got.grad_center, want.grad_center, input, what + " grad_center");
  expect_same(got.grad_neighbor, want.grad_neighbor, input, what + " grad_neighbor");
  for (int layer = 0; layer < input.layers; ++layer) {
    const std::string of = what + " layer " + std::to_string(layer);
    expect_same(got.grad_weight[layer], want.grad_weight[layer], input, of + " weight");
    expect_same(got.grad_scale[layer], want.grad_scale[layer], input, of + " scale");
    expect_same(got.grad_shift[layer], want.grad_shift[layer], input, of + " shift");
    expect_same(got.running_mean[layer], want.running_mean[layer], input, of + " mean");
    expect_same(got.running_variance[layer], want.running_variance[layer], input, of + " variance");
  }
}

class EdgeConvTest : public KernelTest {};

TEST_P(EdgeConvTest, EqualsItsOperationsOneByOneAtEveryWidth) {
  // One channel would leave no gradient to compare: the norm takes out the only weight's scale.
  for (const std::int64_t channels : {3, 7, 8, 9, 50, 64, 100}) {
    for (const int layers : {1, 2, 3}) {
      const Case input(channels, layers, {6, 0, 1, 2, 3, 40, 5, 14, 90});
      const Outcome want = run_on(Isa::Ref, [&] { return run_plain(input); });
      const Outcome got = run_on(GetParam(), [&] { return run_fused(input); });
      expect_same(got, want, input,
                  std::to_string(channels) + " channels, " + std::to_string(layers) + " layers");
    }
  }
}

TEST_P(EdgeConvTest, GivesTheSameBitsWithAnyThreadsAndAfterOtherBatches) {
  const Case input(13, 3, std::vector<std::int64_t>(200, 17));  // some chunks
  const Case other(13, 3, {90, 3, 80});
  run_on(GetParam(), [&] {
    const Outcome first = run_with_threads(1, [&] { return run_fused(input); });
    for (const int threads : {2, 3}) {
      EdgeConv block(13, 3);
      EdgeConvWorkspace workspace;
      const Outcome again = run_with_threads(threads, [&] {
        run_fused(other, block, workspace);
        return run_fused(input, block, workspace);
      });
      EXPECT_TRUE(same_bits(again.y, first.y)) << threads;
      EXPECT_TRUE(same_bits(again.grad_center, first.grad_center)) << threads;
      EXPECT_TRUE(same_bits(again.grad_neighbor, first.grad_neighbor)) << threads;
      for (int layer = 0; layer < 3; ++layer) {
        EXPECT_TRUE(same_bits(again.grad_weight[layer], first.grad_weight[layer])) << threads;
        EXPECT_TRUE(same_bits(again.grad_scale[layer], first.grad_scale[layer])) << threads;
      }
    }
    return 0;
  });
}

TEST_P(EdgeConvTest, TakesBatchesWithoutEdges) {
  for (const std::vector<std::int64_t>& sizes :
       {std::vector<std::int64_t>{}, {0}, {1, 1}, {0, 1, 0}}) {
    const Case input(9, 2, sizes);
    const Outcome outcome = run_on(GetParam(), [&] { return run_fused(input); });
    for (const Floats* values : {&outcome.y, &outcome.grad_center, &outcome.grad_neighbor,
                                 &outcome.grad_weight[1], &outcome.grad_scale[0]}) {
      for (const float value : *values) EXPECT_EQ(value, 0) << sizes.size();
    }
    EXPECT_EQ(outcome.running_mean[0].front(), 0.5F);  // an empty batch moves nothing
  }
}

JETCAL_TEST_VARIANTS(EdgeConvTest);

}  // namespace
}  // namespace jetcal::kernels
