// SPDX-License-Identifier: Apache-2.0
#include <cublas_v2.h>

#include "jetcal/base/error.h"
#include "jetcal/cuda/detail/image.h"
#include "jetcal/cuda/detail/product.h"

namespace jetcal::cuda::detail {
namespace {

constexpr std::int64_t kLibrarySpace = std::int64_t{32} << 20U;  // what cuBLAS advises for sm_90

void check_cublas(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const ErrorCode code =
      status == CUBLAS_STATUS_ALLOC_FAILED ? ErrorCode::ResourceExhausted : ErrorCode::Internal;
  fail(code, "cuBLAS: ", call, " failed: ", cublasGetStatusString(status));
}

template <typename T>
constexpr cudaDataType_t kType = CUDA_R_32F;
template <>
constexpr cudaDataType_t kType<Bf16> = CUDA_R_16BF;

cublasComputeType_t compute_type(Precision precision) {
  return precision == Precision::Tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

// One product in cuBLAS's terms: columns are consecutive, so our rows are its columns, and
// c = op(a) op(b) there is our c^T.
template <typename T, typename Out>
struct ColumnProduct {
  cublasOperation_t op_a, op_b;
  std::int64_t m, n, k;
  const T* a;
  std::int64_t lda;
  const T* b;
  std::int64_t ldb;
  Out* c;
  std::int64_t ldc;
  float beta = 0;
};

template <typename T, typename Out>
void run(void* handle, Precision precision, const ColumnProduct<T, Out>& p) {
  const float one = 1;
  check_cublas(cublasGemmEx(static_cast<cublasHandle_t>(handle), p.op_a, p.op_b,
                            static_cast<int>(p.m), static_cast<int>(p.n), static_cast<int>(p.k),
                            &one, p.a, kType<T>, static_cast<int>(p.lda), p.b, kType<T>,
                            static_cast<int>(p.ldb), &p.beta, p.c, kType<Out>,
                            static_cast<int>(p.ldc), compute_type(precision), CUBLAS_GEMM_DEFAULT),
               "cublasGemmEx");
}

// y^T [out, R] = w [out, in] x^T; w lies as its transpose there.
template <typename T>
ColumnProduct<T, T> forward_product(const T* x, const T* w, std::int64_t rows, std::int64_t in,
                                    std::int64_t out, T* y) {
  return {CUBLAS_OP_T, CUBLAS_OP_N, out, rows, in, w, in, x, in, y, out};
}

// grad_x^T [in, R] = w^T [in, out] grad_y^T
template <typename T>
ColumnProduct<T, T> input_product(const T* grad_y, const T* w, std::int64_t rows, std::int64_t in,
                                  std::int64_t out, bool add, T* grad_x) {
  return {CUBLAS_OP_N, CUBLAS_OP_N, in,  rows,   out, w,
          in,          grad_y,      out, grad_x, in,  add ? 1.0F : 0.0F};
}

}  // namespace

Products::Products(Queue& queue, Precision precision)
    : queue_(queue), precision_(precision), library_space_(kLibrarySpace) {
  cublasHandle_t handle = nullptr;
  check_cublas(cublasCreate(&handle), "cublasCreate");
  handle_ = handle;
  // The stream first: setting it forgets the work space.
  check_cublas(cublasSetStream(handle, static_cast<cudaStream_t>(queue.handle())),
               "cublasSetStream");
  check_cublas(cublasSetWorkspace(handle, library_space_.data(), kLibrarySpace),
               "cublasSetWorkspace");
}

Products::~Products() { static_cast<void>(cublasDestroy(static_cast<cublasHandle_t>(handle_))); }

void Products::forward(const float* x, const float* w, std::int64_t rows, std::int64_t in,
                       std::int64_t out, float* y) {
  if (rows > 0) run(handle_, precision_, forward_product(x, w, rows, in, out, y));
}

void Products::forward(const Bf16* x, const Bf16* w, std::int64_t rows, std::int64_t in,
                       std::int64_t out, Bf16* y) {
  if (rows > 0) run(handle_, precision_, forward_product(x, w, rows, in, out, y));
}

void Products::backward_input(const float* grad_y, const float* w, std::int64_t rows,
                              std::int64_t in, std::int64_t out, bool add, float* grad_x) {
  if (rows > 0) run(handle_, precision_, input_product(grad_y, w, rows, in, out, add, grad_x));
}

void Products::backward_input(const Bf16* grad_y, const Bf16* w, std::int64_t rows, std::int64_t in,
                              std::int64_t out, bool add, Bf16* grad_x) {
  if (rows > 0) run(handle_, precision_, input_product(grad_y, w, rows, in, out, add, grad_x));
}

// grad_w^T [in, out] = x^T [in, R] grad_y [R, out]
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
  if (chunks.full > 0) {
    const float one = 1;
    const float zero = 0;
    check_cublas(
        cublasGemmStridedBatchedEx(
            static_cast<cublasHandle_t>(handle_), CUBLAS_OP_N, CUBLAS_OP_T, static_cast<int>(in),
            static_cast<int>(out), static_cast<int>(chunks.rows_each), &one, x, kType<T>,
            static_cast<int>(in), chunks.rows_each * in, grad_y, kType<T>, static_cast<int>(out),
            chunks.rows_each * out, &zero, parts, CUDA_R_32F, static_cast<int>(in), size,
            static_cast<int>(chunks.full), compute_type(precision_), CUBLAS_GEMM_DEFAULT),
        "cublasGemmStridedBatchedEx");
  }
  if (chunks.last_rows > 0) {
    const std::int64_t first = chunks.full * chunks.rows_each;
    run(handle_, precision_,
        ColumnProduct<T, float>{CUBLAS_OP_N, CUBLAS_OP_T, in, out, chunks.last_rows, x + first * in,
                                in, grad_y + first * out, out, parts + chunks.full * size, in});
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
