// SPDX-License-Identifier: Apache-2.0
// Times the matrix products of training of every variant against a plain triple loop, on one
// thread, and gives the share of the rate at which this core multiplies and adds in registers.
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/base/cpu.h"
#include "jetcal/base/random.h"
#include "jetcal/base/threads.h"
#include "jetcal/base/version.h"
#include "jetcal/kernels/detail/packed_product.h"
#include "jetcal/kernels/isa.h"
#include "jetcal/kernels/linear.h"

namespace jetcal::kernels {
namespace {

using Clock = std::chrono::steady_clock;
using Floats = std::vector<float>;

struct Shape {
  std::int64_t rows, in, out;
  double flops() const { return 2.0 * static_cast<double>(rows * in * out); }
};

// Layers: those of PFN best and PFN large for the particles of 500 jets, the head, an edge layer.
constexpr Shape kLayers[] = {{14000, 6, 100}, {14000, 100, 100}, {14000, 400, 400},
                             {500, 208, 200}, {50000, 50, 50},   {50000, 100, 100}};
// Tiles that lie in cache, as the fused kernels see them.
constexpr Shape kTiles[] = {{64, 100, 100}, {128, 100, 100}, {256, 100, 100}, {512, 100, 100},
                            {64, 50, 50},   {128, 50, 50},   {256, 50, 50},   {512, 50, 50}};

// Twelve independent chains hide the latency of any core so far; the compiler must keep them apart.
__attribute__((target("avx2,fma"))) double fma_flops_avx2(std::int64_t steps) {
  __m256 sum[12];
#pragma GCC unroll 12
  for (int j = 0; j < 12; ++j) sum[j] = _mm256_set1_ps(1);
  const __m256 factor = _mm256_set1_ps(0.999999F);
  const __m256 term = _mm256_set1_ps(1e-7F);
  for (std::int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) {
      sum[j] = _mm256_fmadd_ps(sum[j], factor, term);
      asm volatile("" : "+x"(sum[j]));
    }
  }
  return static_cast<double>(steps) * 12 * 8 * 2;
}

__attribute__((target("avx512f"))) double fma_flops_avx512(std::int64_t steps) {
  __m512 sum[12];
#pragma GCC unroll 12
  for (int j = 0; j < 12; ++j) sum[j] = _mm512_set1_ps(1);
  const __m512 factor = _mm512_set1_ps(0.999999F);
  const __m512 term = _mm512_set1_ps(1e-7F);
  for (std::int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) {
      sum[j] = _mm512_fmadd_ps(sum[j], factor, term);
      asm volatile("" : "+v"(sum[j]));
    }
  }
  return static_cast<double>(steps) * 12 * 16 * 2;
}

// Returns the seconds of the fastest of `rounds` calls.
double fastest(int rounds, const std::function<void()>& f) {
  double least = std::numeric_limits<double>::max();
  for (int round = 0; round < rounds; ++round) {
    const auto start = Clock::now();
    f();
    least = std::min(least, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return least;
}

double fma_peak(Isa isa) {
  constexpr std::int64_t kSteps = 200000;
  double flops = 0;
  const double seconds = fastest(
      20, [&] { flops = isa == Isa::Avx512 ? fma_flops_avx512(kSteps) : fma_flops_avx2(kSteps); });
  return flops / seconds;
}

Floats random_floats(std::int64_t size) {
  Rng rng(static_cast<std::uint64_t>(size));
  Floats values(static_cast<std::size_t>(size));
  for (float& value : values) value = static_cast<float>(rng.uniform() - 0.5);
  return values;
}

// The plain way: a row of y at a time, sums in the order of memory.
void plain_forward(const Shape& shape, const Floats& x, const Floats& weight, Floats& y) {
  for (std::int64_t i = 0; i < shape.rows; ++i) {
    for (std::int64_t j = 0; j < shape.out; ++j) {
      float sum = 0;
      for (std::int64_t p = 0; p < shape.in; ++p) {
        sum += x[i * shape.in + p] * weight[j * shape.in + p];
      }
      y[i * shape.out + j] = sum;
    }
  }
}

// Adds the row of one product of one variant.
void report(nlohmann::ordered_json& rows, const Shape& shape, std::string_view what, Isa isa,
            double seconds, double peak, double plain_seconds) {
  rows.push_back({{"product", what},
                  {"rows", shape.rows},
                  {"in", shape.in},
                  {"out", shape.out},
                  {"isa", isa_name(isa)},
                  {"gflops", shape.flops() / seconds * 1e-9},
                  {"share_of_fma_peak", shape.flops() / seconds / peak},
                  {"ratio_to_plain_loop", plain_seconds / seconds}});
}

void measure_layer(const Shape& shape, Isa isa, double peak, nlohmann::ordered_json& rows) {
  constexpr int kRounds = 15;
  const Floats x = random_floats(shape.rows * shape.in);
  const Floats weight = random_floats(shape.in * shape.out);
  const Floats bias = random_floats(shape.out);
  Floats y = random_floats(shape.rows * shape.out);
  const double plain = fastest(2, [&] { plain_forward(shape, x, weight, y); });
  const double forward = fastest(
      kRounds, [&] { linear_forward(x, weight, bias, shape.in, shape.out, y, Activation::Relu); });
  report(rows, shape, "forward", isa, forward, peak, plain);
  Floats grad_x(x.size());
  const double input =
      fastest(kRounds, [&] { linear_backward_input(y, weight, shape.in, shape.out, grad_x); });
  report(rows, shape, "gradient of the input", isa, input, peak, plain);
  Floats grad_weight(weight.size());
  Floats grad_bias(bias.size());
  const double weights = fastest(
      kRounds, [&] { linear_backward_weights(x, y, shape.in, shape.out, grad_weight, grad_bias); });
  report(rows, shape, "gradient of the weights", isa, weights, peak, plain);
}

void measure_tile(const Shape& shape, Isa isa, double peak, nlohmann::ordered_json& rows) {
  constexpr int kRounds = 50;
  constexpr int kCalls = 20;  // a call takes some microseconds
  const detail::GemmKernels& kernels = detail::gemm_kernels(isa);
  const auto padded = [&](std::int64_t n) {
    return (n + kernels.vector_columns - 1) / kernels.vector_columns * kernels.vector_columns;
  };
  const std::int64_t lda = padded(shape.in);
  const std::int64_t ldc = padded(shape.out);
  const Floats x = random_floats(shape.rows * lda);
  const Floats weight = random_floats(shape.in * shape.out);
  const Floats bias = random_floats(ldc);
  Floats packed(static_cast<std::size_t>(detail::packed_size(kernels, shape.in, shape.out)));
  detail::pack_tile_b(kernels, true, shape.in, shape.out, weight.data(), shape.in, packed.data());
  Floats y(static_cast<std::size_t>(shape.rows * ldc));
  const double plain = fastest(3, [&] { plain_forward(shape, x, weight, y); });
  const auto call_often = [&](const std::function<void()>& f) {
    return fastest(kRounds,
                   [&] {
                     for (int call = 0; call < kCalls; ++call) f();
                   }) /
           kCalls;
  };
  const double product = call_often([&] {
    kernels.tile_product({shape.rows, shape.out, shape.in, x.data(), lda, packed.data(), y.data(),
                          ldc, bias.data(), nullptr, true});
  });
  report(rows, shape, "tile", isa, product, peak, plain);
  Floats sums(static_cast<std::size_t>(shape.out * lda));
  const double gradient = call_often([&] {
    kernels.tile_gradient(
        {shape.rows, shape.out, shape.in, y.data(), ldc, x.data(), lda, sums.data(), lda});
  });
  report(rows, shape, "tile, gradient of the weights", isa, gradient, peak, plain);
}

void run() {
  set_num_threads(1);
  nlohmann::ordered_json document{
      {"benchmark", "gemm"}, {"cpu", cpu_model()}, {"threads", 1}, {"version", version()}};
  document["commit"] = commit();
  for (const Isa isa : supported_isas()) {
    if (isa == Isa::Ref) continue;  // the definition, not a competitor
    const ScopedIsa forced(isa);
    const double peak = fma_peak(isa);
    document["fma_peak_gflops"][std::string(isa_name(isa))] = peak * 1e-9;
    for (const Shape& shape : kTiles) measure_tile(shape, isa, peak, document["products"]);
    for (const Shape& shape : kLayers) measure_layer(shape, isa, peak, document["products"]);
  }
  std::cout << document.dump(2) << std::endl;
}

}  // namespace
}  // namespace jetcal::kernels

int main() { jetcal::kernels::run(); }
