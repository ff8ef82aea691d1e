// SPDX-License-Identifier: Apache-2.0
// Packs the right-hand matrix of a product and multiplies by it, block by block.
#pragma once

#include <cstdint>

#include "jetcal/kernels/detail/gemm_kernels.h"
#include "jetcal/kernels/isa.h"

namespace jetcal::kernels::detail {

const GemmKernels& gemm_kernels(Isa isa);

/// Returns how many floats pack_b writes.
std::int64_t packed_size(const GemmKernels& kernels, std::int64_t k, std::int64_t n) noexcept;

/// Packs op(b) [k, n] block by block of k, in the layout of GemmBlock.
void pack_b(const GemmKernels& kernels, bool transpose, std::int64_t k, std::int64_t n,
            const float* b, std::int64_t ldb, float* packed) noexcept;

/// Packs op(b) [k, n] in one block of k, as TileProduct wants it; packed_size floats.
void pack_tile_b(const GemmKernels& kernels, bool transpose, std::int64_t k, std::int64_t n,
                 const float* b, std::int64_t ldb, float* packed) noexcept;

/// Runs the blocks of k one after the other; beta belongs to the first, bias and relu to the last.
void packed_product(const GemmKernels& kernels, const GemmBlock& product) noexcept;

}  // namespace jetcal::kernels::detail
