// SPDX-License-Identifier: Apache-2.0
// Chooses the vector type that the flags of the including file allow.
//
// Everything is in unnamed namespaces: a function compiled here must not become the copy that other
// files call, for it would crash an older CPU.
#pragma once

#if defined(__AVX512F__)
#include "jetcal/kernels/detail/simd_avx512.h"  // IWYU pragma: export
#elif defined(__AVX2__)
#include "jetcal/kernels/detail/simd_avx2.h"  // IWYU pragma: export
#else
#error "only for files listed in jetcal_isa_sources()"
#endif
