// SPDX-License-Identifier: Apache-2.0
// Times the matrix product of every variant against a plain triple loop, on one thread.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/base/cpu.h"
#include "jetcal/base/random.h"
#include "jetcal/base/version.h"
#include "jetcal/kernels/gemm.h"
#include "jetcal/kernels/isa.h"

namespace jetcal::kernels {
namespace {

struct Shape {
  std::string_view name;
  bool transpose_a, transpose_b;
  std::int64_t m, n, k;
};

// The shapes of training: an edge layer, a head layer, the weight gradient of an edge layer.
constexpr Shape kShapes[] = {
    {"edge layer", false, true, 50000, 50, 50},
    {"head layer", false, true, 500, 400, 400},
    {"weight gradient", true, false, 50, 50, 800000},
};

struct Operands {
  std::vector<float> a, b, c;
};

Operands random_operands(const Shape& shape) {
  Rng rng(1);
  Operands operands;
  operands.a.resize(static_cast<std::size_t>(shape.m * shape.k));
  operands.b.resize(static_cast<std::size_t>(shape.k * shape.n));
  operands.c.resize(static_cast<std::size_t>(shape.m * shape.n));
  for (float& value : operands.a) value = static_cast<float>(rng.uniform() - 0.5);
  for (float& value : operands.b) value = static_cast<float>(rng.uniform() - 0.5);
  return operands;
}

// The plain way: loops ordered so that the innermost one runs over rows of memory where it can.
void plain(const Shape& shape, Operands& operands) {
  const float* a = operands.a.data();
  const float* b = operands.b.data();
  float* c = operands.c.data();
  std::fill(operands.c.begin(), operands.c.end(), 0.0F);
  if (shape.transpose_a) {
    for (std::int64_t p = 0; p < shape.k; ++p) {
      for (std::int64_t i = 0; i < shape.m; ++i) {
        const float left = a[p * shape.m + i];
        for (std::int64_t j = 0; j < shape.n; ++j) c[i * shape.n + j] += left * b[p * shape.n + j];
      }
    }
    return;
  }
  for (std::int64_t i = 0; i < shape.m; ++i) {
    for (std::int64_t j = 0; j < shape.n; ++j) {
      float sum = 0;
      for (std::int64_t p = 0; p < shape.k; ++p) sum += a[i * shape.k + p] * b[j * shape.k + p];
      c[i * shape.n + j] = sum;
    }
  }
}

void ours(const Shape& shape, Operands& operands) {
  gemm(shape.transpose_a, shape.transpose_b, shape.m, shape.n, shape.k, 1, operands.a.data(),
       shape.transpose_a ? shape.m : shape.k, operands.b.data(),
       shape.transpose_b ? shape.k : shape.n, 0, operands.c.data(), shape.n);
}

// Returns the GFLOP/s of the fastest of `rounds` calls.
template <typename Function>
double gflops(const Shape& shape, int rounds, Function f) {
  double fastest = std::numeric_limits<double>::max();
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    f();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    fastest = std::min(fastest, time.count());
  }
  return 2e-9 * static_cast<double>(shape.m * shape.n * shape.k) / fastest;
}

nlohmann::ordered_json measure(const Shape& shape) {
  constexpr int kRounds = 7;
  Operands operands = random_operands(shape);
  const double base = gflops(shape, 3, [&] { plain(shape, operands); });
  nlohmann::ordered_json row{{"shape", shape.name}, {"m", shape.m}, {"n", shape.n}, {"k", shape.k}};
  row["gflops"]["plain_loop"] = base;
  for (const Isa isa : supported_isas()) {
    if (isa == Isa::Ref) continue;  // the definition, not a competitor
    const ScopedIsa forced(isa);
    const double speed = gflops(shape, kRounds, [&] { ours(shape, operands); });
    row["gflops"][std::string(isa_name(isa))] = speed;
    row["ratio"][std::string(isa_name(isa))] = speed / base;
  }
  return row;
}

void run() {
  nlohmann::ordered_json document{
      {"benchmark", "gemm"}, {"cpu", cpu_model()}, {"threads", 1}, {"version", version()}};
  document["commit"] = commit();
  for (const Shape& shape : kShapes) document["shapes"].push_back(measure(shape));
  std::cout << document.dump(2) << std::endl;
}

}  // namespace
}  // namespace jetcal::kernels

int main() { jetcal::kernels::run(); }
