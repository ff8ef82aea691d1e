// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/dense_stack.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "jetcal/kernels/elementwise.h"
#include "tests/kernels/kernel_case.h"

namespace jetcal::kernels {
namespace {

using Doubles = std::vector<double>;

struct Case {
  std::vector<std::int64_t> widths;  // of x and of every output
  std::int64_t rows = 0;
  Offsets offsets;  // empty: no sums
  bool linear_last = false;
  float dropout = 0;

  std::int64_t in(std::size_t layer) const { return widths[layer]; }
  std::int64_t out(std::size_t layer) const { return widths[layer + 1]; }
  std::size_t num_layers() const { return widths.size() - 1; }
  bool relu(std::size_t layer) const { return !linear_last || layer + 1 < num_layers(); }
  std::int64_t outputs() const { return offsets.empty() ? rows : std::ssize(offsets) - 1; }
  std::string name() const {
    std::string text = std::to_string(rows) + " rows, widths";
    for (const std::int64_t width : widths) text += " " + std::to_string(width);
    return text;
  }
};

// A stack with random numbers; weights shrink with the width so that sums stay of order one.
struct Stack {
  explicit Stack(Case test) : shape(std::move(test)) {
    x = random_floats(shape.rows * shape.widths.front(), 1);
    grad_y = random_floats(shape.outputs() * shape.widths.back(), 2);
    for (std::size_t i = 0; i < shape.num_layers(); ++i) {
      Floats& weight = weights.emplace_back(random_floats(shape.in(i)*shape.out(i), 3 + i));
      const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(shape.in(i))));
      for (float& value : weight) value *= scale;
      biases.push_back(random_floats(shape.out(i), 13 + i));
      seeds.push_back(100 + i);
    }
  }

  // Returns y, then the gradients of x and of the weights and biases of every layer.
  Floats run(DenseStack& stack) const {
    Floats y(static_cast<std::size_t>(shape.outputs() * shape.widths.back()), -7.0F);
    std::vector<DenseWeights> numbers;
    std::vector<Floats> grad_weights;
    std::vector<Floats> grad_biases;
    for (std::size_t i = 0; i < shape.num_layers(); ++i) {
      numbers.push_back({weights[i], biases[i]});
      grad_weights.emplace_back(weights[i].size(), -7.0F);
      grad_biases.emplace_back(biases[i].size(), -7.0F);
    }
    std::vector<DenseGradients> gradients;
    for (std::size_t i = 0; i < shape.num_layers(); ++i) {
      gradients.push_back({grad_weights[i], grad_biases[i]});
    }
    stack.forward(numbers, {x, shape.offsets, shape.dropout, seeds}, y);
    Floats grad_x(x.size(), -7.0F);
    stack.backward(numbers, grad_y, grad_x, gradients);
    Floats all = y;
    all.insert(all.end(), grad_x.begin(), grad_x.end());
    for (std::size_t i = 0; i < shape.num_layers(); ++i) {
      all.insert(all.end(), grad_weights[i].begin(), grad_weights[i].end());
      all.insert(all.end(), grad_biases[i].begin(), grad_biases[i].end());
    }
    return all;
  }
  Floats run() const {
    std::vector<DenseLayer> layers;
    for (std::size_t i = 0; i < shape.num_layers(); ++i) {
      layers.push_back({shape.in(i), shape.out(i), shape.relu(i)});
    }
    DenseStack stack(layers);
    return run(stack);
  }

  Case shape;
  Floats x, grad_y;
  std::vector<Floats> weights, biases;
  std::vector<std::uint64_t> seeds;
};

// The definition, in doubles: as DenseStack, and for every number the sum of the sizes of what was
// added up on the way, which bounds its error.
struct Definition {
  explicit Definition(const Stack& stack) : s(stack) {
    forward();
    backward();
  }

  void forward() {
    levels.push_back(Doubles(s.x.begin(), s.x.end()));
    for (std::size_t i = 0; i < s.shape.num_layers(); ++i) {
      const std::int64_t in = s.shape.in(i);
      const std::int64_t out = s.shape.out(i);
      Doubles y(static_cast<std::size_t>(s.shape.rows * out));
      Floats mask(y.size(), 1.0F);
      if (s.shape.relu(i)) dropout(mask, s.shape.dropout, s.seeds[i]);
      for (std::int64_t r = 0; r < s.shape.rows; ++r) {
        for (std::int64_t j = 0; j < out; ++j) {
          double sum = s.biases[i][j];
          for (std::int64_t p = 0; p < in; ++p)
            sum += levels[i][r * in + p] * s.weights[i][j * in + p];
          if (s.shape.relu(i)) sum = std::max(sum, 0.0);
          y[r * out + j] = sum * mask[r * out + j];
        }
      }
      levels.push_back(y);
      masks.push_back(mask);
    }
    const std::int64_t out = s.shape.widths.back();
    result = levels.back();
    if (s.shape.offsets.empty()) return;
    result.assign(static_cast<std::size_t>(s.shape.outputs() * out), 0);
    for_segments([&](std::int64_t segment, std::int64_t r) {
      for (std::int64_t j = 0; j < out; ++j) {
        result[segment * out + j] += levels.back()[r * out + j];
      }
    });
  }

  void backward() {
    Doubles grad(s.grad_y.begin(), s.grad_y.end());
    if (!s.shape.offsets.empty()) {
      const std::int64_t out = s.shape.widths.back();
      grad.assign(static_cast<std::size_t>(s.shape.rows * out), 0);
      for_segments([&](std::int64_t segment, std::int64_t r) {
        for (std::int64_t j = 0; j < out; ++j) grad[r * out + j] = s.grad_y[segment * out + j];
      });
    }
    std::vector<Doubles> parameters(s.shape.num_layers());
    for (std::size_t i = s.shape.num_layers(); i-- > 0;) {
      const std::int64_t in = s.shape.in(i);
      const std::int64_t out = s.shape.out(i);
      Doubles below(static_cast<std::size_t>(s.shape.rows * in));
      Doubles weight(static_cast<std::size_t>(in * out));
      Doubles bias(static_cast<std::size_t>(out));
      for (std::int64_t r = 0; r < s.shape.rows; ++r) {
        for (std::int64_t j = 0; j < out; ++j) {
          double g = grad[r * out + j] * masks[i][r * out + j];
          if (s.shape.relu(i) && levels[i + 1][r * out + j] <= 0) g = 0;
          bias[j] += g;
          for (std::int64_t p = 0; p < in; ++p) {
            weight[j * in + p] += g * levels[i][r * in + p];
            below[r * in + p] += g * s.weights[i][j * in + p];
          }
        }
      }
      grad = below;
      parameters[i] = weight;
      parameters[i].insert(parameters[i].end(), bias.begin(), bias.end());
    }
    result.insert(result.end(), grad.begin(), grad.end());
    for (const Doubles& all : parameters) result.insert(result.end(), all.begin(), all.end());
  }

  template <typename Body>
  void for_segments(Body body) const {
    for (std::int64_t segment = 0; segment < s.shape.outputs(); ++segment) {
      for (std::int64_t r = s.shape.offsets[segment]; r < s.shape.offsets[segment + 1]; ++r) {
        body(segment, r);
      }
    }
  }

  const Stack& s;
  std::vector<Doubles> levels;
  std::vector<Floats> masks;
  Doubles result;
};

class DenseStackTest : public KernelTest {
 protected:
  // An activation within rounding of zero may fall on either side; seeds and sizes here have none.
  static void expect_definition(const Case& test, Isa isa) {
    const Stack stack(test);
    const Floats got = run_on(isa, [&] { return stack.run(); });
    const Definition definition(stack);
    ASSERT_EQ(got.size(), definition.result.size());
    double largest = 1;
    for (const double value : definition.result) largest = std::max(largest, std::abs(value));
    std::int64_t length = test.rows;
    for (const std::int64_t width : test.widths) length += width;
    // Layers of sums of order one, then sums over rows: errors of every step add up at worst.
    const double bound = kRoundoff * static_cast<double>(length + 16) *
                         static_cast<double>(test.num_layers() + 1) * largest;
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], definition.result[i], bound) << test.name() << ", number " << i;
    }
  }
};

TEST_P(DenseStackTest, EqualsTheDefinitionAtEveryTail) {
  for (const std::int64_t rows : {0, 1, 5, 13, 64, 65, 200}) {
    for (const std::vector<std::int64_t>& widths :
         {std::vector<std::int64_t>{6, 10}, {6, 50, 50}, {8, 16, 7, 1}, {3, 64, 15, 17, 5}}) {
      expect_definition({widths, rows, {}, false, 0}, GetParam());
      expect_definition({widths, rows, {}, true, 0}, GetParam());
    }
  }
}

TEST_P(DenseStackTest, SumsTheRowsOfSegments) {
  for (const std::vector<std::int64_t>& counts :
       {std::vector<std::int64_t>{3, 0, 4}, {0, 0}, {300, 1, 2, 0, 40, 61, 0}, {1, 1, 1, 1}}) {
    const Offsets offsets = offsets_of(counts);
    expect_definition({{6, 20, 9}, offsets.back(), offsets, false, 0}, GetParam());
    expect_definition({{6, 16, 8}, offsets.back(), offsets, true, 0}, GetParam());
  }
}

TEST_P(DenseStackTest, DropsOutAsElementwise) {
  expect_definition({{5, 20, 16, 1}, 70, {}, true, 0.3F}, GetParam());
  expect_definition({{5, 20, 16, 3}, 70, {}, false, 0.5F}, GetParam());
}

TEST_P(DenseStackTest, ThreadsChangeNoBitAndNeitherDoesAnEarlierBatch) {
  const ScopedIsa forced(GetParam());
  std::vector<std::int64_t> counts;
  for (std::int64_t i = 0; i < 250; ++i) counts.push_back(i * 7 % 31);
  const Offsets offsets = offsets_of(counts);
  for (const Case& test : {Case{{6, 20, 9}, offsets.back(), offsets, false, 0},
                           Case{{6, 40, 33, 1}, 300, {}, true, 0.2F}}) {
    const Stack stack(test);
    const Floats one = run_with_threads(1, [&] { return stack.run(); });
    EXPECT_TRUE(same_bits(one, run_with_threads(2, [&] { return stack.run(); }))) << test.name();
    EXPECT_TRUE(same_bits(one, run_with_threads(5, [&] { return stack.run(); }))) << test.name();
    std::vector<DenseLayer> layers;
    for (std::size_t i = 0; i < test.num_layers(); ++i) {
      layers.push_back({test.in(i), test.out(i), test.relu(i)});
    }
    DenseStack reused(layers);
    Case other = test;
    other.rows = 777;
    other.offsets.clear();
    Stack(other).run(reused);
    EXPECT_TRUE(same_bits(one, stack.run(reused))) << test.name();
  }
}

TEST_P(DenseStackTest, NanStaysInItsSegment) {
  const ScopedIsa forced(GetParam());
  Stack stack({{6, 20, 9}, 9, {0, 3, 6, 9}, false, 0});
  stack.x[4 * 6] = std::nanf("");
  const Floats y = stack.run();
  for (std::int64_t j = 0; j < 9; ++j) {
    EXPECT_TRUE(std::isnan(y[9 + j]));
    EXPECT_FALSE(std::isnan(y[j]) || std::isnan(y[18 + j]));
  }
}

JETCAL_TEST_VARIANTS(DenseStackTest);

}  // namespace
}  // namespace jetcal::kernels
