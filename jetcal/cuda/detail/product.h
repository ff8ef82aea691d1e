// SPDX-License-Identifier: Apache-2.0
// Matrix products on the device: cuBLAS, or kernels::gemm in the emulation.
#pragma once

#include <cstdint>

#include "jetcal/cuda/detail/element.h"
#include "jetcal/cuda/detail/queue.h"
#include "jetcal/cuda/device.h"

namespace jetcal::cuda::detail {

/// Multiplies row-major matrices without gaps: x [R, in], w [out, in], y [R, out]. Sums are float.
/// Products of bfloat16 rows write bfloat16 rows and float gradients of weights.
class Products {
 public:
  Products(Queue& queue, Precision precision);
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  /// y = x w^T
  void forward(const float* x, const float* w, std::int64_t rows, std::int64_t in, std::int64_t out,
               float* y);
  void forward(const Bf16* x, const Bf16* w, std::int64_t rows, std::int64_t in, std::int64_t out,
               Bf16* y);
  /// grad_x = grad_y w, or grad_x += grad_y w
  void backward_input(const float* grad_y, const float* w, std::int64_t rows, std::int64_t in,
                      std::int64_t out, bool add, float* grad_x);
  void backward_input(const Bf16* grad_y, const Bf16* w, std::int64_t rows, std::int64_t in,
                      std::int64_t out, bool add, Bf16* grad_x);
  /// grad_w = grad_y^T x: chunks of rows on their own, then added up in order. Zero without rows.
  void backward_weights(const float* x, const float* grad_y, std::int64_t rows, std::int64_t in,
                        std::int64_t out, float* grad_w);
  void backward_weights(const Bf16* x, const Bf16* grad_y, std::int64_t rows, std::int64_t in,
                        std::int64_t out, float* grad_w);

 private:
  template <typename T>
  void sum_chunks(const T* x, const T* grad_y, std::int64_t rows, std::int64_t in, std::int64_t out,
                  float* grad_w);

  Queue& queue_;
  Precision precision_;
  void* handle_ = nullptr;
  Buffer<unsigned char> library_space_;
  Buffer<float> parts_;
};

/// How backward_weights parts its rows: by their number alone.
struct RowChunks {
  std::int64_t rows_each, full, last_rows;
  std::int64_t slots() const noexcept { return full + (last_rows > 0 ? 1 : 0); }
};
constexpr RowChunks row_chunks(std::int64_t rows) {
  constexpr std::int64_t kMostChunks = 64;
  constexpr std::int64_t kMinRows = 512;
  const std::int64_t needed = (rows + kMostChunks - 1) / kMostChunks;
  const std::int64_t each = needed < kMinRows ? kMinRows : needed;
  return {each, rows / each, rows % each};
}

}  // namespace jetcal::cuda::detail
