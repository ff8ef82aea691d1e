// SPDX-License-Identifier: Apache-2.0
// Starts kernels on the device, or steps through them on the host.
//
// A kernel is a struct: members are its arguments, steps() says in how many steps a block works,
// and step() is what one thread does in one of them. Between steps the threads of a block wait for
// each other. The same struct runs on a GPU when nvcc compiles it, and thread by thread in a loop
// when g++ does: the tests check the arithmetic of every kernel on machines without a GPU.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/cuda/detail/queue.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>

#include "jetcal/cuda/detail/check_call.h"
#define JETCAL_DEVICE __host__ __device__
#else
#define JETCAL_DEVICE
#endif

namespace jetcal::cuda::detail {

inline constexpr int kThreads = 256;  ///< Of every block.

/// Says which thread of which block runs.
struct Place {
  std::int64_t block;
  int column_block;
  int thread;
};

/// For kernels whose threads share nothing.
struct OneStep {
  struct Shared {};
  JETCAL_DEVICE std::int64_t steps(const Place& /*place*/) const { return 1; }
};

/// Sizes a grid: blocks in x up to 2^31 - 1, column blocks in y up to 65535.
struct Grid {
  std::int64_t blocks = 0;
  std::int64_t column_blocks = 1;
};

inline void check_grid(const Grid& grid, const char* name) {
  if (grid.blocks > INT32_MAX || grid.column_blocks > 65535) {
    fail(ErrorCode::InvalidArgument, "CUDA: ", name, " needs ", grid.blocks, " by ",
         grid.column_blocks, " blocks, more than a grid holds: use smaller batches");
  }
}

#ifdef __CUDACC__

template <typename Body>
__global__ void __launch_bounds__(kThreads) run_body(const Body body) {
  __shared__ typename Body::Shared shared;
  const Place place{static_cast<std::int64_t>(blockIdx.x), static_cast<int>(blockIdx.y),
                    static_cast<int>(threadIdx.x)};
  const std::int64_t steps = body.steps(place);
  for (std::int64_t step = 0; step < steps; ++step) {
    body.step(step, place, shared);
    __syncthreads();
  }
}

template <typename Body>
void launch(Queue& queue, const Grid& grid, const Body& body) {
  if (grid.blocks <= 0 || grid.column_blocks <= 0) return;
  check_grid(grid, Body::kName);
  const dim3 blocks(static_cast<unsigned>(grid.blocks), static_cast<unsigned>(grid.column_blocks));
  run_body<Body><<<blocks, kThreads, 0, static_cast<cudaStream_t>(queue.handle())>>>(body);
  check_call(cudaGetLastError(), Body::kName);
}

#else

/// Turns the order of blocks and threads round, so that a test sees whether results depend on it.
bool& emulate_backwards() noexcept;

template <typename Body>
void emulate(const Grid& grid, const Body& body) {
  const bool backwards = emulate_backwards();
  std::vector<typename Body::Shared> shared(1);
  const std::int64_t blocks = grid.blocks * grid.column_blocks;
  for (std::int64_t b = 0; b < blocks; ++b) {
    const std::int64_t index = backwards ? blocks - 1 - b : b;
    // Shared memory is not zero on a GPU either: bytes of ones make NaN of what nobody wrote.
    std::memset(static_cast<void*>(shared.data()), 0xFF, sizeof(typename Body::Shared));
    Place place{index % grid.blocks, static_cast<int>(index / grid.blocks), 0};
    const std::int64_t steps = body.steps(place);
    for (std::int64_t step = 0; step < steps; ++step) {
      for (int t = 0; t < kThreads; ++t) {
        place.thread = backwards ? kThreads - 1 - t : t;
        body.step(step, place, shared[0]);
      }
    }
  }
}

template <typename Body>
void launch(Queue& queue, const Grid& grid, const Body& body) {
  if (grid.blocks <= 0 || grid.column_blocks <= 0) return;
  check_grid(grid, Body::kName);
  queue.emulate([grid, body] { emulate(grid, body); });
}

#endif

}  // namespace jetcal::cuda::detail
