// SPDX-License-Identifier: Apache-2.0
// What this CPU can do, and which instruction set the kernels use.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jetcal {

/// Names a variant of the kernels, weakest first. Amx is Avx512 with products of bfloat16 and of
/// bytes in tiles.
enum class Isa { Ref, Avx2, Avx512, Amx };

/// Every variant, weakest first.
inline constexpr Isa kAllIsas[] = {Isa::Ref, Isa::Avx2, Isa::Avx512, Isa::Amx};

/// Returns "ref", "avx2", "avx512" or "amx".
std::string_view isa_name(Isa isa) noexcept;

/// Tells whether this CPU (and its operating system) can run the variant.
bool cpu_supports(Isa isa) noexcept;

/// Lists the variants that this CPU runs, weakest first; Ref is always there.
std::vector<Isa> supported_isas();

/// Returns the variant in use: the best supported one, or the one that
/// JETCAL_ISA=ref|avx2|avx512|amx forces. Decided once per process. Throws InvalidArgument for an
/// unknown name, Unimplemented for one this CPU lacks.
Isa active_isa();

/// Returns the CPU's model name, e.g. "AMD EPYC".
std::string cpu_model();

/// Counts the cores this process may run on (affinity and cgroup quota respected), at least 1.
int usable_cores();

}  // namespace jetcal
