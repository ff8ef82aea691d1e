// SPDX-License-Identifier: Apache-2.0
// Every kernel of the device against the same operation of the room kernels.
#include <cmath>
#include <cstring>
#include <limits>

#include "jetcal/cuda/detail/column_sums.h"
#include "jetcal/cuda/detail/dense.h"
#include "jetcal/cuda/detail/pool.h"
#include "jetcal/cuda/detail/product.h"
#include "jetcal/kernels/batch_norm.h"
#include "jetcal/kernels/edge.h"
#include "jetcal/kernels/elementwise.h"
#include "jetcal/kernels/knn.h"
#include "jetcal/kernels/segment.h"
#include "tests/cuda/check.h"
#include "tests/cuda/device_arrays.h"
#include "tests/kernels/edge_definition.h"

namespace jetcal::cuda::detail {
namespace {

constexpr double kRoundoff = 0x1.0p-24;

std::function<double(std::size_t)> relative(const Floats& want, double factor, double floor) {
  return [&want, factor, floor](std::size_t i) {
    return kRoundoff * factor * (std::abs(static_cast<double>(want[i])) + floor);
  };
}

kernels::Edges cpu_edges(const Floats& x, std::int64_t dimensions, std::int64_t stride,
                         const std::vector<std::int64_t>& offsets, std::int64_t k) {
  std::vector<std::int32_t> neighbors(static_cast<std::size_t>(offsets.back() * k));
  kernels::knn(x, dimensions, stride, offsets, k, neighbors);
  kernels::Edges edges;
  kernels::build_edges(neighbors, k, edges);
  return edges;
}

// All lists of a batch, bit for bit.
void expect_same_lists(const std::vector<std::int64_t>& sizes, Floats x, std::int64_t dimensions,
                       std::int64_t stride, std::int64_t k) {
  Queue queue;
  DeviceJets jets(queue, sizes, k);
  const Buffer<float> device_x = to_device(queue, x);
  const EdgeLists lists = jets.edges(queue, device_x.data(), dimensions, stride);
  const kernels::Edges want = cpu_edges(x, dimensions, stride, jets.offsets, k);
  const kernels::ReverseEdges want_reverse = kernels::reverse_of(want);
  JETCAL_EXPECT(lists.num_edges == want.num_edges());
  const std::int64_t edges = want.num_edges();
  const std::int64_t particles = want.num_particles();
  JETCAL_EXPECT(to_host(queue, lists.targets, edges) == want.targets);
  JETCAL_EXPECT(to_host(queue, lists.edge_offsets, particles + 1) == want.offsets);
  JETCAL_EXPECT(to_host(queue, lists.reverse_offsets, particles + 1) == want_reverse.offsets);
  const auto reverse = to_host(queue, lists.reverse_edges, edges);
  JETCAL_EXPECT(std::equal(reverse.begin(), reverse.end(), want_reverse.edges.begin()));
  const auto sources = to_host(queue, lists.sources, edges);
  const auto jet_of = to_host(queue, jets.lists.jets, particles);
  for (std::int64_t i = 0; i < particles; ++i) {
    JETCAL_EXPECT(jets.offsets[jet_of[i]] <= i && i < jets.offsets[jet_of[i] + 1]);
    for (std::int64_t e = want.offsets[i]; e < want.offsets[i + 1]; ++e) {
      JETCAL_EXPECT(sources[e] == i);
    }
  }
}

const std::vector<std::int64_t> kSizes{0, 1, 2, 3, 17, 16, 5, 40, 0, 100, 1, 18};

std::int64_t total(const std::vector<std::int64_t>& sizes) {
  std::int64_t sum = 0;
  for (const std::int64_t n : sizes) sum += n;
  return sum;
}

JETCAL_CHECK(NeighborsAreThoseOfTheCpuBitForBit) {
  for (const std::int64_t k : {1, 4, 16, 40, 150}) {
    expect_same_lists(kSizes, random_floats(total(kSizes) * 2, 1), 2, 2, k);
  }
  for (const std::int64_t dimensions : {1, 6, 50, 104}) {
    const Floats x = random_floats(total(kSizes) * dimensions, 2);
    expect_same_lists(kSizes, pad_rows(x, dimensions), dimensions, padded(dimensions), 16);
  }
}

JETCAL_CHECK(NeighborsOfLargeJetsAreThoseOfTheCpu) {
  const std::vector<std::int64_t> sizes{512, 2, 513, 700};
  expect_same_lists(sizes, random_floats(total(sizes) * 2, 3), 2, 2, 16);
  const std::vector<std::int64_t> one{600};
  expect_same_lists(one, random_floats(600 * 8, 4), 8, 8, 599);
}

JETCAL_CHECK(EqualDistancesGoByTheLowerRow) {
  Floats grid;
  for (int i = 0; i < 90; ++i) grid.insert(grid.end(), {static_cast<float>(i % 3), 1.0F});
  expect_same_lists({30, 60}, grid, 2, 2, 7);
  Floats same(2 * 520, 0.5F);  // all in one place, in a small jet and in a large one
  same.resize(2 * 550, 0.5F);
  expect_same_lists({30, 520}, same, 2, 2, 16);
}

JETCAL_CHECK(ParticlesThatAreNotFiniteAreFarAway) {
  Floats x = random_floats(40 * 2, 5);
  x[3] = std::numeric_limits<float>::infinity();
  x[10] = std::numeric_limits<float>::quiet_NaN();
  x[12] = -std::numeric_limits<float>::quiet_NaN();
  x[20] = 3e38F;
  x[31] = -3e38F;
  x[33] = 1e-42F;
  expect_same_lists({20, 20}, x, 2, 2, 16);
}

// ---- the first edge layer and batch normalisation
// ------------------------------------------------

struct EdgeCase {
  Queue queue;
  std::int64_t channels = 13, k = 4;
  DeviceJets jets{queue, kSizes, 4};
  Floats points = random_floats(total(kSizes) * 2, 7);
  Buffer<float> device_points = to_device(queue, points);
  EdgeLists lists = jets.edges(queue, device_points.data(), 2, 2);
  kernels::Edges edges = cpu_edges(points, 2, 2, jets.offsets, 4);
  Floats center = random_floats(total(kSizes) * 13, 8);
  Floats neighbor = random_floats(total(kSizes) * 13, 9);
  Floats gamma = random_floats(13, 10), beta = random_floats(13, 11);
  Floats running_mean = random_floats(13, 12), running_variance = Floats(13, 0.7F);
  Buffer<double> parts{column_parts_size(256)};

  // Center and neighbor side by side, padded.
  Floats joined() const {
    const Floats left = pad_rows(center, channels);
    const Floats right = pad_rows(neighbor, channels);
    const std::int64_t pitch = padded(channels);
    Floats both;
    for (std::int64_t row = 0; row < std::ssize(left) / pitch; ++row) {
      both.insert(both.end(), left.begin() + row * pitch, left.begin() + (row + 1) * pitch);
      both.insert(both.end(), right.begin() + row * pitch, right.begin() + (row + 1) * pitch);
    }
    return both;
  }
  Floats cpu_values() const {
    Floats z(static_cast<std::size_t>(edges.num_edges() * channels));
    kernels::edge_add(center, neighbor, edges, channels, z);
    return z;
  }
};

JETCAL_CHECK(EdgeSumsAndTheirStatisticsAreThoseOfTheCpu) {
  EdgeCase test;
  DeviceNorm norm(test.queue, test.gamma, test.beta, test.running_mean, test.running_variance);
  const Buffer<float> products = to_device(test.queue, test.joined());
  const std::int64_t rows = test.edges.num_edges();
  Buffer<float> z(rows * norm.channels);
  edge_add_moments(test.queue, products.data(), test.lists, norm.channels, z.data(),
                   test.parts.data());
  norm_finish(test.queue, test.parts.data(), rows, norm.source, norm.arrays);
  Buffer<float> y(rows * norm.channels);
  normalise(test.queue, static_cast<const float*>(z.data()), rows, norm.arrays, true, y.data());

  const Floats want_z = test.cpu_values();
  const Floats got_z = cut_rows(to_host(test.queue, z.data(), rows * norm.channels), 13);
  JETCAL_EXPECT(got_z == want_z);
  Floats want_y(want_z.size());
  Floats mean(13);
  Floats inverse(13);
  kernels::BatchNormOptions options;
  options.activation = kernels::Activation::Relu;
  kernels::batch_norm_forward(want_z, 13, test.gamma, test.beta, options, want_y, mean, inverse,
                              test.running_mean, test.running_variance);
  // Both sum in double and round once; normalising takes a few roundings of values near one.
  JETCAL_EXPECT_NEAR(to_host(test.queue, norm.arrays.mean, 13), mean, relative(mean, 2, 1), "mean");
  JETCAL_EXPECT_NEAR(to_host(test.queue, norm.arrays.inverse_deviation, 13), inverse,
                     relative(inverse, 2, 0), "inverse deviation");
  JETCAL_EXPECT_NEAR(to_host(test.queue, norm.running_mean.data(), 13), test.running_mean,
                     relative(test.running_mean, 2, 1), "running mean");
  JETCAL_EXPECT_NEAR(to_host(test.queue, norm.running_variance.data(), 13), test.running_variance,
                     relative(test.running_variance, 2, 0), "running variance");
  const Floats wide = to_host(test.queue, y.data(), rows * norm.channels);
  JETCAL_EXPECT_NEAR(cut_rows(wide, 13), want_y, relative(want_y, 8, 8), "normalised");
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t c = 13; c < 16; ++c) JETCAL_EXPECT(wide[row * 16 + c] == 0);
  }
}

JETCAL_CHECK(NormBackwardIsThatOfTheCpu) {
  EdgeCase test;
  const Floats z = test.cpu_values();
  const std::int64_t rows = test.edges.num_edges();
  Floats grad = random_floats(std::ssize(z), 20);
  Floats y(z.size());
  Floats mean(13);
  Floats inverse(13);
  kernels::BatchNormOptions options;
  options.activation = kernels::Activation::Relu;
  kernels::batch_norm_forward(z, 13, test.gamma, test.beta, options, y, mean, inverse, {}, {});
  Floats want(z.size());
  Floats want_gamma(13);
  Floats want_beta(13);
  kernels::batch_norm_backward(z, grad, 13, test.gamma, test.beta, mean, inverse,
                               kernels::Activation::Relu, want, want_gamma, want_beta);

  DeviceNorm norm(test.queue, test.gamma, test.beta, test.running_mean, test.running_variance);
  const Buffer<float> device_z = to_device(test.queue, pad_rows(z, 13));
  const Buffer<float> device_grad = to_device(test.queue, pad_rows(grad, 13));
  norm_moments(test.queue, static_cast<const float*>(device_z.data()), rows, norm.channels,
               test.parts.data());
  norm_finish(test.queue, test.parts.data(), rows, norm.source, norm.arrays);
  const EdgeGradient<float> gradient{device_grad.data(), nullptr, nullptr, nullptr};
  const float* const values = device_z.data();
  norm_backward_sums(test.queue, values, gradient, rows, norm.arrays, true, test.parts.data());
  Buffer<float> grad_gamma(13);
  Buffer<float> grad_beta(13);
  norm_backward_finish(test.queue, test.parts.data(), rows, 13, norm.arrays, grad_gamma.data(),
                       grad_beta.data());
  Buffer<float> grad_z(rows * norm.channels);
  norm_backward_apply(test.queue, values, gradient, rows, norm.arrays, true, grad_z.data());
  const double length = static_cast<double>(rows);
  JETCAL_EXPECT_NEAR(to_host(test.queue, grad_gamma.data(), 13), want_gamma,
                     relative(want_gamma, 8, std::sqrt(length)), "gamma");
  JETCAL_EXPECT_NEAR(to_host(test.queue, grad_beta.data(), 13), want_beta,
                     relative(want_beta, 8, std::sqrt(length)), "beta");
  JETCAL_EXPECT_NEAR(cut_rows(to_host(test.queue, grad_z.data(), rows * norm.channels), 13), want,
                     relative(want, 16, 16), "grad z");
}

JETCAL_CHECK(EdgeAddBackwardIsThatOfTheCpu) {
  EdgeCase test;
  const std::int64_t particles = test.edges.num_particles();
  const Floats grad = random_floats(test.edges.num_edges() * 13, 21);
  Floats want_center(test.center.size());
  Floats want_neighbor(test.center.size());
  kernels::edge_add_backward(grad, test.edges, 13, want_center, want_neighbor);
  const Buffer<float> device_grad = to_device(test.queue, pad_rows(grad, 13));
  Buffer<float> got(particles * 32);
  edge_add_backward(test.queue, static_cast<const float*>(device_grad.data()), test.lists, 16,
                    got.data());
  const Floats both = to_host(test.queue, got.data(), particles * 32);
  Floats center;
  Floats neighbor;
  for (std::int64_t i = 0; i < particles; ++i) {
    center.insert(center.end(), both.begin() + i * 32, both.begin() + i * 32 + 13);
    neighbor.insert(neighbor.end(), both.begin() + i * 32 + 16, both.begin() + i * 32 + 29);
  }
  // At most 99 numbers near one are added up.
  JETCAL_EXPECT_NEAR(center, want_center, relative(want_center, 8, 16), "center");
  JETCAL_EXPECT_NEAR(neighbor, want_neighbor, relative(want_neighbor, 100, 30), "neighbor");
}

JETCAL_CHECK(MeanOverEdgesIsThatOfTheCpu) {
  EdgeCase test;
  const Floats z = test.cpu_values();
  const std::int64_t particles = test.edges.num_particles();
  const Floats shortcut = random_floats(particles * 13, 22);
  Floats activation(z.size());
  Floats mean(13);
  Floats inverse(13);
  kernels::BatchNormOptions options;
  options.activation = kernels::Activation::Relu;
  kernels::batch_norm_forward(z, 13, test.gamma, test.beta, options, activation, mean, inverse, {},
                              {});
  Floats want(shortcut.size());
  kernels::segment_mean(activation, test.edges.offsets, 13, want);
  kernels::add(shortcut, want);
  kernels::relu_forward(want);

  DeviceNorm norm(test.queue, test.gamma, test.beta, test.running_mean, test.running_variance);
  const Buffer<float> device_z = to_device(test.queue, pad_rows(z, 13));
  const Buffer<float> device_shortcut = to_device(test.queue, pad_rows(shortcut, 13));
  norm_moments(test.queue, static_cast<const float*>(device_z.data()), test.edges.num_edges(), 16,
               test.parts.data());
  norm_finish(test.queue, test.parts.data(), test.edges.num_edges(), norm.source, norm.arrays);
  Buffer<float> y(particles * 16);
  edge_mean(test.queue, static_cast<const float*>(device_z.data()), test.lists, norm.arrays,
            device_shortcut.data(), NormArrays{}, y.data());
  JETCAL_EXPECT_NEAR(cut_rows(to_host(test.queue, y.data(), particles * 16), 13), want,
                     relative(want, 16, 8), "mean");
}

// ---- pooling, layers, products
// --------------------------------------------------------------------

JETCAL_CHECK(PoolingIsThatOfTheCpu) {
  Queue queue;
  DeviceJets jets(queue, kSizes, 4);
  const std::int64_t particles = total(kSizes);
  const std::int64_t num_jets = std::ssize(kSizes);
  for (const bool mean : {false, true}) {
    const Floats x = random_floats(particles * 16, 30);
    Floats want(static_cast<std::size_t>(num_jets * 16));
    (mean ? kernels::segment_mean : kernels::segment_sum)(x, jets.offsets, 16, want);
    const Buffer<float> device_x = to_device(queue, x);
    Buffer<float> y(num_jets * 24);
    pool_jets(queue, static_cast<const float*>(device_x.data()), jets.device_offsets.data(),
              num_jets, {16, 24}, mean, y.data());
    Floats got;
    const Floats wide = to_host(queue, y.data(), num_jets * 24);
    for (std::int64_t jet = 0; jet < num_jets; ++jet) {
      got.insert(got.end(), wide.begin() + jet * 24, wide.begin() + jet * 24 + 16);
    }
    JETCAL_EXPECT_NEAR(got, want, relative(want, 100, 30), "pooled");

    Floats grad = random_floats(num_jets * 24, 31);
    Floats narrow;
    for (std::int64_t jet = 0; jet < num_jets; ++jet) {
      narrow.insert(narrow.end(), grad.begin() + jet * 24, grad.begin() + jet * 24 + 16);
    }
    Floats want_x(x.size());
    (mean ? kernels::segment_mean_backward : kernels::segment_sum_backward)(narrow, jets.offsets,
                                                                            16, want_x);
    const Buffer<float> device_grad = to_device(queue, grad);
    Buffer<float> grad_x(particles * 16);
    spread_to_particles(queue, device_grad.data(), jets.device_offsets.data(), jets.lists.jets,
                        particles, {16, 24}, mean, grad_x.data());
    JETCAL_EXPECT_NEAR(to_host(queue, grad_x.data(), particles * 16), want_x,
                       relative(want_x, 2, 0), "spread");
  }
}

JETCAL_CHECK(LayerEndsDropWhatTheCpuDrops) {
  Queue queue;
  const std::int64_t rows = 77;
  const Floats z = random_floats(rows * 13, 40);
  const Floats bias = random_floats(13, 41);
  Floats want = z;
  for (std::int64_t i = 0; i < std::ssize(want); ++i) want[i] += bias[i % 13];
  kernels::relu_forward(want);
  kernels::dropout(want, 0.3F, 99);
  const Buffer<float> device_bias = to_device(queue, bias);
  Buffer<float> y = to_device(queue, pad_rows(z, 13));
  const LayerEnd end{16, 13, device_bias.data(), true, 0.3F, 99};
  finish_layer(queue, static_cast<const float*>(y.data()), rows, end, y.data());
  JETCAL_EXPECT(cut_rows(to_host(queue, y.data(), rows * 16), 13) == want);

  Floats grad = random_floats(rows * 13, 42);
  Buffer<float> device_grad = to_device(queue, pad_rows(grad, 13));
  kernels::dropout(grad, 0.3F, 99);
  kernels::relu_backward(want, grad);
  Buffer<double> parts(column_parts_size(16));
  finish_layer_backward(queue, static_cast<const float*>(y.data()),
                        static_cast<const float*>(device_grad.data()), rows, end,
                        device_grad.data(), parts.data());
  Buffer<float> grad_bias(13);
  bias_gradient(queue, parts.data(), rows, end, grad_bias.data());
  JETCAL_EXPECT(cut_rows(to_host(queue, device_grad.data(), rows * 16), 13) == grad);
  Floats sums(13, 0.0F);
  for (std::int64_t c = 0; c < 13; ++c) {
    double sum = 0;
    for (std::int64_t row = 0; row < rows; ++row) sum += grad[row * 13 + c];
    sums[c] = static_cast<float>(sum);
  }
  JETCAL_EXPECT_NEAR(to_host(queue, grad_bias.data(), 13), sums, relative(sums, 2, 1), "bias");
}

JETCAL_CHECK(WideRowsAreCoveredWhole) {
  Queue queue;
  for (const std::int64_t width : {8, 1024, 1032, 2056}) {
    const std::int64_t rows = 70;
    const Floats z = random_floats(rows * width, 43);
    Floats want = z;
    kernels::relu_forward(want);
    Buffer<float> y = to_device(queue, z);
    const LayerEnd end{width, width, nullptr, true, 0, 0};
    finish_layer(queue, static_cast<const float*>(y.data()), rows, end, y.data());
    JETCAL_EXPECT(to_host(queue, y.data(), rows * width) == want);
    Buffer<double> parts(column_parts_size(width));
    finish_layer_backward(queue, static_cast<const float*>(y.data()),
                          static_cast<const float*>(y.data()), rows, end, y.data(), parts.data());
    Buffer<float> sums(width);
    bias_gradient(queue, parts.data(), rows, end, sums.data());
    Floats want_sums(static_cast<std::size_t>(width));
    for (std::int64_t c = 0; c < width; ++c) {
      double sum = 0;
      for (std::int64_t row = 0; row < rows; ++row) sum += want[row * width + c];
      want_sums[c] = static_cast<float>(sum);
    }
    JETCAL_EXPECT_NEAR(to_host(queue, sums.data(), width), want_sums, relative(want_sums, 2, 1),
                       "sums");
  }
}

template <typename T>
Floats as_floats(const std::vector<T>& values) {
  Floats floats;
  for (const T value : values) floats.push_back(to_float(value));
  return floats;
}

// All three products against sums in double; `unit` is the roundoff of the factors and results.
template <typename T>
void expect_products(Precision precision, double unit) {
  Queue queue;
  Products products(queue, precision);
  const std::int64_t in = 24;
  const std::int64_t out = 16;
  for (const std::int64_t rows : {0, 1, 7, 500, 1025, 40000}) {
    const auto element = [](float value) {
      T low{};
      store(&low, value);
      return low;
    };
    std::vector<T> x;
    std::vector<T> w;
    std::vector<T> grad;
    for (const float value : random_floats(rows * in, 50)) x.push_back(element(value));
    for (const float value : random_floats(out * in, 51)) w.push_back(element(value));
    for (const float value : random_floats(rows * out, 52)) grad.push_back(element(value));
    const Floats fx = as_floats(x);
    const Floats fw = as_floats(w);
    const Floats fg = as_floats(grad);
    const auto check = [&](const Floats& got, std::int64_t m, std::int64_t n, std::int64_t k,
                           auto left, auto right, const char* what) {
      Floats want(static_cast<std::size_t>(m * n));
      Floats size(want.size());
      for (std::int64_t i = 0; i < m * n; ++i) {
        double sum = 0;
        double absolute = 0;
        for (std::int64_t p = 0; p < k; ++p) {
          const double term = static_cast<double>(left(i / n, p)) * right(i % n, p);
          sum += term;
          absolute += std::abs(term);
        }
        want[i] = static_cast<float>(sum);
        size[i] = static_cast<float>(absolute);
      }
      JETCAL_EXPECT_NEAR(
          got, want,
          [&](std::size_t i) {
            return (2 * unit + kRoundoff * std::sqrt(static_cast<double>(k)) * 4) * size[i];
          },
          what);
    };
    const Buffer<T> device_x = to_device(queue, x);
    const Buffer<T> device_w = to_device(queue, w);
    const Buffer<T> device_grad = to_device(queue, grad);
    Buffer<T> y(rows * out);
    products.forward(device_x.data(), device_w.data(), rows, in, out, y.data());
    check(
        as_floats(to_host(queue, y.data(), rows * out)), rows, out, in,
        [&](std::int64_t r, std::int64_t p) { return fx[r * in + p]; },
        [&](std::int64_t o, std::int64_t p) { return fw[o * in + p]; }, "forward");
    Buffer<T> grad_x(rows * in);
    products.backward_input(device_grad.data(), device_w.data(), rows, in, out, false,
                            grad_x.data());
    check(
        as_floats(to_host(queue, grad_x.data(), rows * in)), rows, in, out,
        [&](std::int64_t r, std::int64_t p) { return fg[r * out + p]; },
        [&](std::int64_t c, std::int64_t p) { return fw[p * in + c]; }, "backward input");
    Buffer<float> grad_w(in * out);
    products.backward_weights(device_x.data(), device_grad.data(), rows, in, out, grad_w.data());
    check(
        to_host(queue, grad_w.data(), in * out), out, in, rows,
        [&](std::int64_t o, std::int64_t p) { return fg[p * out + o]; },
        [&](std::int64_t c, std::int64_t p) { return fx[p * in + c]; }, "backward weights");
  }
}

JETCAL_CHECK(ProductsAreExactToRoundingInFloat) {
  expect_products<float>(Precision::Float32, kRoundoff);
}
JETCAL_CHECK(ProductsInTf32RoundTheirFactors) {
  expect_products<float>(Precision::Tf32, 0x1.0p-10);
}
JETCAL_CHECK(ProductsInBfloat16RoundTheirResults) {
  expect_products<Bf16>(Precision::Bfloat16, 0x1.0p-8);
}

JETCAL_CHECK(ProductsAddWhereAsked) {
  Queue queue;
  Products products(queue, Precision::Float32);
  const Floats grad = random_floats(9 * 16, 53);
  const Floats w = random_floats(16 * 8, 54);
  const Floats before = random_floats(9 * 8, 55);
  const Buffer<float> device_grad = to_device(queue, grad);
  const Buffer<float> device_w = to_device(queue, w);
  Buffer<float> x = to_device(queue, before);
  products.backward_input(device_grad.data(), device_w.data(), 9, 8, 16, true, x.data());
  Floats want = before;
  for (int r = 0; r < 9; ++r) {
    for (int c = 0; c < 8; ++c) {
      for (int o = 0; o < 16; ++o) want[r * 8 + c] += grad[r * 16 + o] * w[o * 8 + c];
    }
  }
  JETCAL_EXPECT_NEAR(to_host(queue, x.data(), 72), want, relative(want, 32, 16), "added");
}

JETCAL_CHECK(Bfloat16RoundsToNearestEven) {
  const auto bits = [](float value) { return static_cast<int>(to_bf16(value).bits); };
  JETCAL_EXPECT(bits(1.0F) == 0x3F80);
  JETCAL_EXPECT(bits(1.00390625F) == 0x3F80);  // half way, down to even
  JETCAL_EXPECT(bits(1.01171875F) == 0x3F82);  // half way, up to even
  JETCAL_EXPECT(bits(1.00390637F) == 0x3F81);
  JETCAL_EXPECT(bits(3.4e38F) == 0x7F80);  // beyond the largest: infinity
  JETCAL_EXPECT(std::isnan(to_float(to_bf16(std::numeric_limits<float>::quiet_NaN()))));
}

}  // namespace
}  // namespace jetcal::cuda::detail
