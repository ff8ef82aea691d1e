// SPDX-License-Identifier: Apache-2.0
// The products of the emulated device, by kernels::gemm; bfloat16 factors are exact in float.
#include <vector>

#include "jetcal/cuda/detail/image.h"
#include "jetcal/cuda/detail/product.h"
#include "jetcal/kernels/gemm.h"

namespace jetcal::cuda::detail {
namespace {

std::vector<float> floats(const Bf16* from, std::int64_t size) {
  std::vector<float> values(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < size; ++i) values[i] = to_float(from[i]);
  return values;
}

void round_to(const std::vector<float>& from, Bf16* to) {
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = to_bf16(from[i]);
}

void chunk_product(const float* x, const float* grad_y, std::int64_t rows, std::int64_t in,
                   std::int64_t out, float* grad_w) {
  kernels::gemm(true, false, out, in, rows, 1, grad_y, out, x, in, 0, grad_w, in);
}
void chunk_product(const Bf16* x, const Bf16* grad_y, std::int64_t rows, std::int64_t in,
                   std::int64_t out, float* grad_w) {
  const auto left = floats(x, rows * in);
  const auto right = floats(grad_y, rows * out);
  chunk_product(left.data(), right.data(), rows, in, out, grad_w);
}

}  // namespace

Products::Products(Queue& queue, Precision precision) : queue_(queue), precision_(precision) {}
Products::~Products() = default;

void Products::forward(const float* x, const float* w, std::int64_t rows, std::int64_t in,
                       std::int64_t out, float* y) {
  if (rows == 0) return;
  queue_.emulate([=] { kernels::gemm(false, true, rows, out, in, 1, x, in, w, in, 0, y, out); });
}

void Products::forward(const Bf16* x, const Bf16* w, std::int64_t rows, std::int64_t in,
                       std::int64_t out, Bf16* y) {
  if (rows == 0) return;
  queue_.emulate([=] {
    const auto left = floats(x, rows * in);
    const auto right = floats(w, in * out);
    std::vector<float> sums(static_cast<std::size_t>(rows * out));
    kernels::gemm(false, true, rows, out, in, 1, left.data(), in, right.data(), in, 0, sums.data(),
                  out);
    round_to(sums, y);
  });
}

void Products::backward_input(const float* grad_y, const float* w, std::int64_t rows,
                              std::int64_t in, std::int64_t out, bool add, float* grad_x) {
  if (rows == 0) return;
  const float beta = add ? 1 : 0;
  queue_.emulate(
      [=] { kernels::gemm(false, false, rows, in, out, 1, grad_y, out, w, in, beta, grad_x, in); });
}

void Products::backward_input(const Bf16* grad_y, const Bf16* w, std::int64_t rows, std::int64_t in,
                              std::int64_t out, bool add, Bf16* grad_x) {
  if (rows == 0) return;
  queue_.emulate([=] {
    const auto left = floats(grad_y, rows * out);
    const auto right = floats(w, in * out);
    std::vector<float> sums = floats(grad_x, rows * in);
    kernels::gemm(false, false, rows, in, out, 1, left.data(), out, right.data(), in, add ? 1 : 0,
                  sums.data(), in);
    round_to(sums, grad_x);
  });
}

template <typename T>
void Products::sum_chunks(const T* x, const T* grad_y, std::int64_t rows, std::int64_t in,
                          std::int64_t out, float* grad_w) {
  const std::int64_t size = in * out;
  if (rows == 0) {
    queue_.fill_zero(grad_w, static_cast<std::size_t>(size) * sizeof(float));
    return;
  }
  const RowChunks chunks = row_chunks(rows);
  float* const parts = chunks.slots() == 1 ? grad_w : parts_.reserve(chunks.slots() * size);
  for (std::int64_t slot = 0; slot < chunks.slots(); ++slot) {
    const std::int64_t first = slot * chunks.rows_each;
    const std::int64_t count = slot < chunks.full ? chunks.rows_each : chunks.last_rows;
    queue_.emulate([=] {
      chunk_product(x + first * in, grad_y + first * out, count, in, out, parts + slot * size);
    });
  }
  if (chunks.slots() > 1) add_slots(queue_, parts, chunks.slots(), size, grad_w);
}

void Products::backward_weights(const float* x, const float* grad_y, std::int64_t rows,
                                std::int64_t in, std::int64_t out, float* grad_w) {
  sum_chunks(x, grad_y, rows, in, out, grad_w);
}

void Products::backward_weights(const Bf16* x, const Bf16* grad_y, std::int64_t rows,
                                std::int64_t in, std::int64_t out, float* grad_w) {
  sum_chunks(x, grad_y, rows, in, out, grad_w);
}

}  // namespace jetcal::cuda::detail
